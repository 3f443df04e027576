#include "health/queue_plans.hpp"

#include "monitoring/issues/owner_runs.hpp"

extern "C" {
#include <catalog/pg_type.h>
}

namespace monitoring::health {

namespace {

constexpr const char* kRole =
    "SELECT q.owner::text, r.oid, q.owner_oid, r.rolsuper FROM monitoring.queues q"
    " LEFT JOIN pg_roles r ON r.rolname = q.owner WHERE q.queue_name = $1";

/// $1 the queue, $2 the relation. Values are written as literals of the status column's own type,
/// so that the planner can use an ordinary and a partial index; labels that an enum does not have
/// are left out. One row if the relation has the status column, otherwise none.
constexpr const char* kTable =
    "WITH status AS ("
    "  SELECT a.atttypid AS type, format_type(a.atttypid, -1) AS type_name, t.typtype = 'e' AS enum"
    "  FROM monitoring.queues q JOIN pg_attribute a ON a.attrelid = $2"
    "   AND a.attname = q.status_column AND a.attnum > 0 AND NOT a.attisdropped"
    "  JOIN pg_type t ON t.oid = a.atttypid WHERE q.queue_name = $1),"
    " wanted AS ("
    "  SELECT jsonb_object_agg(v.meaning, format('%L::%s[]', array(SELECT x FROM unnest(v.labels) x"
    "   WHERE NOT s.enum OR x IN (SELECT e.enumlabel FROM pg_enum e WHERE e.enumtypid = s.type)),"
    "   s.type_name)) AS list"
    "  FROM status s, monitoring.queues q,"
    "   LATERAL (VALUES ('pending', q.pending_values), ('processing', q.processing_values),"
    "    ('dead', q.dead_values), ('done', q.done_values),"
    "    ('active', q.pending_values || q.processing_values)) AS v(meaning, labels)"
    "  WHERE q.queue_name = $1),"
    " queue AS ("
    "  SELECT q.*, s.type_name, w.list, format('%I.%I', n.nspname, c.relname) AS relation"
    "  FROM monitoring.queues q, status s, wanted w,"
    "   pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    "  WHERE q.queue_name = $1 AND c.oid = $2) ";

/// A job may have any time, infinities and years that no other type has included. Such a job is
/// counted, but its time says nothing. The literals become the column's own type.
#define MONITORING_USABLE_TIME " BETWEEN ''1900-01-01'' AND ''9000-01-01''"

/// Jobs that are done are looked at only for the last hour, and only where a column says when.
constexpr const char* kTableCount =
    "SELECT format('SELECT c.*, p.finished, p.failed, p.seconds[1], p.seconds[2], p.seconds[3]"
    " FROM (%s) AS c, (%s) AS p',"
    " format('SELECT count(*) FILTER (WHERE j.%2$I = ANY (%4$s)),"
    "  count(*) FILTER (WHERE j.%2$I = ANY (%5$s)),"
    "  count(*) FILTER (WHERE j.%3$I < now() - %8$L::interval),"
    "  (min(j.%3$I) FILTER (WHERE j.%3$I" MONITORING_USABLE_TIME
    "))::timestamptz,"
    "  count(*) FILTER (WHERE NOT j.%3$I" MONITORING_USABLE_TIME
    ") AS odd,"
    "  (SELECT count(*) FROM %1$s d WHERE d.%2$I = ANY (%6$s))"
    "  FROM %1$s j WHERE j.%2$I = ANY (%7$s)',"
    "  relation, status_column, since_column, list ->> 'pending', list ->> 'processing',"
    "  list ->> 'dead', list ->> 'active', stuck_after),"
    " CASE WHEN finished_column IS NULL THEN"
    "  'SELECT 0::int8 AS finished, 0::int8 AS failed, NULL::float8[] AS seconds'"
    " ELSE format('SELECT count(*) FILTER (WHERE j.%2$I = ANY (%5$s)) AS finished,"
    "  count(*) FILTER (WHERE j.%2$I = ANY (%6$s)) AS failed,"
    "  percentile_cont(''{0.5,0.95,0.99}''::float8[]) WITHIN GROUP (ORDER BY"
    "   extract(epoch FROM j.%3$I::timestamptz - j.%4$I::timestamptz)::float8)"
    "   FILTER (WHERE j.%2$I = ANY (%5$s) AND j.%4$I" MONITORING_USABLE_TIME
    ") AS seconds"
    "  FROM %1$s j WHERE j.%3$I > now() - interval ''1 hour'' AND j.%3$I <= now()',"
    "  relation, status_column, finished_column, coalesce(started_column, since_column),"
    "  list ->> 'done', list ->> 'dead') END) FROM queue";

constexpr const char* kTableRequeue =
    "SELECT format('WITH requeued AS (UPDATE %s AS j SET %s WHERE j.%I = ANY (%s) RETURNING 1)"
    " SELECT count(*) FROM requeued', relation,"
    " concat_ws(', ', format('%I = %L::%s', status_column, pending_values[1], type_name),"
    "  format('%I = now()', since_column),"
    "  quote_ident(nullif(started_column, since_column)) || ' = NULL',"
    "  quote_ident(finished_column) || ' = NULL'),"
    " status_column, list ->> 'dead') FROM queue";

/// $1 the queue, $2 pgmq's table of its messages. Beside it lie the archive and, maybe, the queue
/// of dead letters.
constexpr const char* kPgmq =
    "WITH found AS ("
    "  SELECT c.relname, c.relnamespace, n.nspname, q.max_reads, coalesce(q.stuck_after,"
    "   interval '15 minutes') AS stuck_after,"
    "   coalesce('q_' || lower(q.dead_letter_queue), c.relname || '_dlq') AS dead_name"
    "  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    "  LEFT JOIN monitoring.queues q ON q.queue_name = $1 WHERE c.oid = $2),"
    " queue AS ("
    "  SELECT f.*, format('%I.%I', f.nspname, f.relname) AS relation,"
    "   coalesce('m.read_ct > ' || f.max_reads || ' AND m.vt <= now()', 'false') AS is_dead,"
    "   (SELECT format('%I.%I', f.nspname, a.relname) FROM pg_class a"
    "    JOIN pg_attribute t ON t.attrelid = a.oid AND t.attname = 'archived_at'"
    "    WHERE a.relnamespace = f.relnamespace AND a.relname = 'a_' || substr(f.relname, 3))"
    "    AS archive,"
    "   (SELECT format('%I.%I', f.nspname, d.relname) FROM pg_class d"
    "    WHERE d.relnamespace = f.relnamespace AND d.relname = f.dead_name) AS dead_letters,"
    // Older versions of pgmq have no headers.
    "   EXISTS (SELECT FROM pg_attribute h WHERE h.attrelid = $2 AND h.attname = 'headers'"
    "    AND NOT h.attisdropped) AS has_headers"
    "  FROM found f) ";

/// A message that was read is invisible until vt, which a reader sets into the future; a delayed
/// one is, too, but was never read.
constexpr const char* kPgmqCount =
    "SELECT format('SELECT c.*, p.finished, 0::int8, p.seconds[1], p.seconds[2], p.seconds[3]"
    " FROM (SELECT count(*) FILTER (WHERE NOT m.dead AND (m.vt <= now() OR m.read_ct = 0)),"
    "  count(*) FILTER (WHERE m.vt > now() AND m.read_ct > 0),"
    "  count(*) FILTER (WHERE NOT m.dead AND m.vt < now() - %2$L::interval),"
    "  (min(m.enqueued_at) FILTER (WHERE NOT m.dead AND m.enqueued_at" MONITORING_USABLE_TIME
    "))::timestamptz,"
    "  count(*) FILTER (WHERE NOT m.enqueued_at" MONITORING_USABLE_TIME
    ") AS odd,"
    "  count(*) FILTER (WHERE m.dead) + %4$s"
    "  FROM (SELECT m.*, %3$s AS dead FROM %1$s AS m) AS m) AS c, (%5$s) AS p',"
    " relation, stuck_after, is_dead,"
    " coalesce('(SELECT count(*) FROM ' || dead_letters || ')', '0'),"
    " CASE WHEN archive IS NULL THEN 'SELECT 0::int8 AS finished, NULL::float8[] AS seconds'"
    " ELSE format('SELECT count(*) AS finished, percentile_cont(''{0.5,0.95,0.99}''::float8[])"
    "  WITHIN GROUP (ORDER BY extract(epoch FROM a.archived_at - a.enqueued_at)::float8)"
    "  FILTER (WHERE a.enqueued_at" MONITORING_USABLE_TIME
    ") AS seconds"
    "  FROM %s AS a WHERE a.archived_at > now() - interval ''1 hour'' AND a.archived_at <= now()',"
    "  archive) END) FROM queue";

/// As pgmq.send() writes: read_ct, enqueued_at and msg_id are the defaults.
constexpr const char* kPgmqRequeue =
    "SELECT format('WITH revived AS (UPDATE %1$s AS m SET read_ct = 0, vt = now() WHERE %2$s"
    " RETURNING 1), taken AS (%3$s), sent AS (INSERT INTO %1$s (vt, message%4$s)"
    " SELECT now(), message%4$s FROM taken ORDER BY msg_id RETURNING 1)"
    " SELECT (SELECT count(*) FROM revived) + (SELECT count(*) FROM sent)', relation, is_dead,"
    " coalesce('DELETE FROM ' || dead_letters || ' RETURNING *',"
    "  'SELECT * FROM ' || relation || ' WHERE false'),"
    " CASE WHEN has_headers THEN ', headers' END) FROM queue";

/// Who is to read: nothing where that is the owner of the relation.
std::optional<Oid> role_of(pg::Spi& spi, const Queue& queue) {
  const pg::Rows rows = spi.query(kRole, {pg::text(queue.name)});
  if (rows.empty()) return std::nullopt;
  std::optional<Oid> named;
  if (const auto role = rows.int8(0, 2)) named = static_cast<Oid>(*role);
  const auto lost =
      issues::lost_owner(*rows.text(0, 1), named, static_cast<Oid>(*rows.int8(0, 3)), "queue");
  if (lost) throw pg::Report(lost->sqlstate, lost->message);
  if (*rows.boolean(0, 4)) return std::nullopt;
  return named;
}

QueuePlan plan(pg::Spi& spi, const Queue& queue, const char* of_table, const char* of_pgmq) {
  const std::optional<Oid> role = role_of(spi, queue);
  const pg::LockedRelation source = pg::lock_relation(queue.source);
  const std::string statement =
      queue.kind == "pgmq" ? std::string(kPgmq) + of_pgmq : std::string(kTable) + of_table;
  const pg::Rows rows = spi.query(
      statement.c_str(), {pg::text(queue.name), pg::datum(OIDOID, ObjectIdGetDatum(source.oid))});
  if (rows.empty()) {
    throw pg::Report(ERRCODE_UNDEFINED_COLUMN,
                     "relation " + queue.source + " has no such status column");
  }
  return {role.value_or(source.owner), !role, *rows.text(0, 1), source};
}

}  // namespace

QueuePlan plan_count(pg::Spi& spi, const Queue& queue) {
  return plan(spi, queue, kTableCount, kPgmqCount);
}

QueuePlan plan_requeue(pg::Spi& spi, const Queue& queue) {
  return plan(spi, queue, kTableRequeue, kPgmqRequeue);
}

}  // namespace monitoring::health
