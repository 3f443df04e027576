#include "monitoring/store/queues.hpp"

#include "monitoring/pg/owner_scope.hpp"
#include "monitoring/pg/transaction.hpp"
#include "monitoring/store/issues.hpp"

extern "C" {
#include <catalog/pg_type.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <string>
#include <vector>

namespace monitoring::store {

namespace {

constexpr const char* kCheckFailed = "queue_check_failed";
constexpr const char* kDiscoveryFailed = "queue_discovery_failed";
constexpr Duration kDiscoveryTimeout = std::chrono::seconds(5);

struct Queue {
  std::string name;
  std::string kind;
  /// Schema and relation, quoted where needed.
  std::string source;
  Duration timeout;
};

struct Counts {
  std::int64_t pending = 0;
  std::int64_t processing = 0;
  std::int64_t stuck = 0;
  std::int64_t dead = 0;
  std::optional<Instant> oldest;
};

/// The statement that counts one queue, and the role that runs it.
struct CountPlan {
  Oid reader;
  std::string sql;
};

/// The definition of a queue without a row of its own is that of the defaults.
constexpr const char* kConfiguredQueues =
    "SELECT queue_name, kind,"
    " coalesce(source, 'pgmq.' || quote_ident('q_' || lower(queue_name))),"
    " (extract(epoch FROM check_timeout) * 1000000)::int8, enabled"
    " FROM monitoring.queues ORDER BY queue_name";

/// $1 is the source. The reader is the row's owner, or the relation's where that is a superuser:
/// a superuser's definition must not run a view's or a type's code as a superuser.
constexpr const char* kRelation =
    "SELECT c.oid, c.relowner FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = (parse_ident($1))[1] AND c.relname = (parse_ident($1))[2]";

constexpr const char* kReader =
    "SELECT r.oid, r.rolsuper FROM monitoring.queues q LEFT JOIN pg_roles r ON r.rolname = q.owner"
    " WHERE q.queue_name = $1";

/// $1 the queue, $2 the relation. Values are written as literals of the status column's own type,
/// so that the planner can use an ordinary and a partial index; labels that an enum does not have
/// are left out. Done jobs are never looked at.
constexpr const char* kTablePlan =
    "WITH status AS ("
    "  SELECT a.atttypid AS type, format_type(a.atttypid, -1) AS type_name, t.typtype = 'e' AS enum"
    "  FROM monitoring.queues q JOIN pg_attribute a ON a.attrelid = $2"
    "   AND a.attname = q.status_column AND a.attnum > 0 AND NOT a.attisdropped"
    "  JOIN pg_type t ON t.oid = a.atttypid WHERE q.queue_name = $1),"
    " wanted AS ("
    "  SELECT v.meaning, format('%L::%s[]', array(SELECT x FROM unnest(v.labels) x"
    "   WHERE NOT s.enum OR x IN (SELECT e.enumlabel FROM pg_enum e WHERE e.enumtypid = s.type)),"
    "   s.type_name) AS list"
    "  FROM status s, monitoring.queues q,"
    "   LATERAL (VALUES ('pending', q.pending_values), ('processing', q.processing_values),"
    "    ('dead', q.dead_values), ('active', q.pending_values || q.processing_values))"
    "    AS v(meaning, labels)"
    "  WHERE q.queue_name = $1)"
    " SELECT format('SELECT count(*) FILTER (WHERE j.%2$I = ANY (%4$s)),"
    " count(*) FILTER (WHERE j.%2$I = ANY (%5$s)),"
    " count(*) FILTER (WHERE j.%3$I < now() - %8$L::interval), min(j.%3$I)::timestamptz,"
    " (SELECT count(*) FROM %1$s d WHERE d.%2$I = ANY (%6$s))"
    " FROM %1$s j WHERE j.%2$I = ANY (%7$s)',"
    " format('%I.%I', n.nspname, c.relname), q.status_column, q.since_column,"
    " (SELECT list FROM wanted WHERE meaning = 'pending'),"
    " (SELECT list FROM wanted WHERE meaning = 'processing'),"
    " (SELECT list FROM wanted WHERE meaning = 'dead'),"
    " (SELECT list FROM wanted WHERE meaning = 'active'), q.stuck_after)"
    " FROM monitoring.queues q, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE q.queue_name = $1 AND c.oid = $2 AND EXISTS (SELECT FROM status)";

/// A message that was read is invisible until vt, which a reader sets into the future; a delayed
/// one is, too, but was never read. Nothing of pgmq marks a message as dead.
constexpr const char* kPgmqPlan =
    "SELECT format('SELECT count(*) FILTER (WHERE m.vt <= now() OR m.read_ct = 0),"
    " count(*) FILTER (WHERE m.vt > now() AND m.read_ct > 0),"
    " count(*) FILTER (WHERE m.vt < now() - %2$L::interval), min(m.enqueued_at)::timestamptz,"
    " 0::int8 FROM %1$s m',"
    " format('%I.%I', n.nspname, c.relname),"
    " coalesce((SELECT q.stuck_after FROM monitoring.queues q WHERE q.queue_name = $1),"
    " interval '15 minutes'))"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $2";

struct Configured {
  std::vector<Queue> enabled;
  /// Also those that are not enabled: what pgmq says of them does not count.
  std::vector<std::string> names;
};

Configured configured_queues(pg::Spi& spi) {
  const pg::Rows rows = spi.query(kConfiguredQueues);
  Configured found;
  for (std::uint64_t i = 0; i < rows.size(); ++i) {
    found.names.push_back(*rows.text(i, 1));
    if (!*rows.boolean(i, 5)) continue;
    found.enabled.push_back(
        {found.names.back(), *rows.text(i, 2), *rows.text(i, 3), Duration(*rows.int8(i, 4))});
  }
  return found;
}

/// Names from pgmq's list, read as its owner: anybody may have made a schema of that name.
std::optional<pg::OwnerFailure> pgmq_names(pg::Spi& spi, std::vector<std::string>* names) {
  const pg::Rows rows = spi.query(kRelation, {pg::text("pgmq.meta")});
  if (rows.empty()) return std::nullopt;
  const auto owner = static_cast<Oid>(*rows.int8(0, 2));
  return pg::run_as_owner(owner, {kDiscoveryTimeout}, [&] {
    pg::Spi inner;
    const pg::Rows found = inner.query("SELECT queue_name::text FROM pgmq.meta");
    for (std::uint64_t i = 0; i < found.size(); ++i) {
      if (auto name = found.text(i, 1)) names->push_back(*name);
    }
  });
}

std::string pgmq_table(pg::Spi& spi, const std::string& name) {
  return *spi.query("SELECT 'pgmq.' || quote_ident('q_' || lower($1))", {pg::text(name)})
              .text(0, 1);
}

/// False if pgmq's queues could not be listed.
bool add_pgmq_queues(pg::Spi& spi, const std::vector<std::string>& known,
                     std::vector<Queue>* queues) {
  std::vector<std::string> names;
  if (const auto failure = pgmq_names(spi, &names)) {
    log_issue_once(spi, {"queue_monitor", kDiscoveryFailed, "pgmq.meta: " + failure->message});
    return false;
  }
  resolve_issues(spi, "queue_monitor", kDiscoveryFailed, "the list could be read again");
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    queues->push_back({name, "pgmq", pgmq_table(spi, name), kDiscoveryTimeout});
  }
  return true;
}

Oid reader_of(pg::Spi& spi, const Queue& queue, Oid relation_owner) {
  const pg::Rows rows = spi.query(kReader, {pg::text(queue.name)});
  if (rows.empty()) return relation_owner;
  if (rows.is_null(0, 1)) {
    throw pg::Report(ERRCODE_UNDEFINED_OBJECT, "the role that owns the queue does not exist");
  }
  return *rows.boolean(0, 2) ? relation_owner : static_cast<Oid>(*rows.int8(0, 1));
}

CountPlan plan_of(pg::Spi& spi, const Queue& queue) {
  const pg::Rows found = spi.query(kRelation, {pg::text(queue.source)});
  if (found.empty()) {
    throw pg::Report(ERRCODE_UNDEFINED_TABLE, "relation " + queue.source + " does not exist");
  }
  const auto relation = static_cast<Oid>(*found.int8(0, 1));
  const auto relation_owner = static_cast<Oid>(*found.int8(0, 2));
  const pg::Rows plan =
      spi.query(queue.kind == "pgmq" ? kPgmqPlan : kTablePlan,
                {pg::text(queue.name), pg::datum(OIDOID, ObjectIdGetDatum(relation))});
  if (plan.empty()) {
    throw pg::Report(ERRCODE_UNDEFINED_COLUMN,
                     "relation " + queue.source + " has no such status column");
  }
  std::string sql = *plan.text(0, 1);
  return {reader_of(spi, queue, relation_owner), std::move(sql)};
}

Counts counts_of(const pg::Rows& rows) {
  return {*rows.int8(0, 1), *rows.int8(0, 2), *rows.int8(0, 3), *rows.int8(0, 5),
          rows.timestamptz(0, 4)};
}

/// Nothing: counted. Otherwise what went wrong.
std::optional<std::string> count(pg::Spi& spi, const Queue& queue, Counts* counts) {
  try {
    const CountPlan plan = plan_of(spi, queue);
    const auto failure = pg::run_as_owner(plan.reader, {queue.timeout}, [&] {
      pg::Spi inner;
      *counts = counts_of(inner.query(plan.sql.c_str()));
    });
    if (failure) return failure->message;
    return std::nullopt;
  } catch (const pg::Report& report) {
    return report.what();
  }
}

void write_counts(pg::Spi& spi, const Queue& queue, const Counts& counts) {
  spi.execute(
      "INSERT INTO monitoring.queue_state AS s VALUES"
      " ($1, $2, $3, $4, $5, clock_timestamp() - $6, clock_timestamp(), NULL)"
      " ON CONFLICT (queue_name) DO UPDATE SET pending_messages = excluded.pending_messages,"
      " processing_messages = excluded.processing_messages,"
      " stuck_messages = excluded.stuck_messages,"
      " dead_letter_messages = excluded.dead_letter_messages,"
      " oldest_message_age = excluded.oldest_message_age,"
      " last_check_time = excluded.last_check_time, last_error = NULL",
      {pg::text(queue.name), pg::int8(counts.pending), pg::int8(counts.processing),
       pg::int8(counts.stuck), pg::int8(counts.dead), pg::timestamptz(counts.oldest)});
}

void write_failure(pg::Spi& spi, const Queue& queue, const std::string& message) {
  spi.execute(
      "INSERT INTO monitoring.queue_state AS s (queue_name, last_error) VALUES ($1, $2)"
      " ON CONFLICT (queue_name) DO UPDATE SET last_error = excluded.last_error",
      {pg::text(queue.name), pg::text(message)});
}

/// True if the queue could be counted.
bool check(pg::Spi& spi, const Queue& queue, Counts* counts) {
  // One issue for each queue and error: the queue is part of the worker's name.
  const std::string worker_name = "queue_monitor/" + queue.name;
  if (const auto error = count(spi, queue, counts)) {
    log_issue_once(spi, {worker_name, kCheckFailed, *error});
    write_failure(spi, queue, *error);
    return false;
  }
  write_counts(spi, queue, *counts);
  resolve_issues(spi, worker_name, kCheckFailed, "the queue could be checked again");
  return true;
}

/// Forgets queues that are no longer there, and the issues that they left behind.
void forget_others(pg::Spi& spi, const std::vector<Queue>& queues) {
  std::vector<std::string> names;
  for (const Queue& queue : queues) names.push_back(queue.name);
  spi.execute(
      "WITH gone AS (DELETE FROM monitoring.queue_state WHERE queue_name <> ALL ($1)"
      "  RETURNING queue_name)"
      " UPDATE monitoring.worker_issues i SET resolved = true, resolved_at = now(),"
      " resolution_details = 'the queue is no longer watched' FROM gone"
      " WHERE i.worker_name = 'queue_monitor/' || gone.queue_name AND i.resolved IS NOT TRUE",
      {pg::text_array(names)});
}

}  // namespace

QueueCheck check_queues(pg::Spi& spi) {
  Configured configured = configured_queues(spi);
  std::vector<Queue>& queues = configured.enabled;
  const bool all_known = add_pgmq_queues(spi, configured.names, &queues);
  // Rows are locked in one order whoever runs this.
  std::sort(queues.begin(), queues.end(),
            [](const Queue& a, const Queue& b) { return a.name < b.name; });
  QueueCheck result;
  for (const Queue& queue : queues) {
    Counts counts;
    if (!check(spi, queue, &counts)) {
      ++result.failed;
      continue;
    }
    ++result.checked;
    result.stuck_messages += counts.stuck;
  }
  if (all_known) forget_others(spi, queues);
  return result;
}

}  // namespace monitoring::store
