#include "monitoring/setup/adopt.hpp"

#include "monitoring/pg/relations.hpp"

extern "C" {
#include <catalog/pg_class.h>
#include <catalog/pg_type.h>
}
// clang-format keeps the server's headers first.
#include <optional>

namespace monitoring::setup {

namespace {

struct Source {
  const char* table;
  /// Columns with the types that they may have, as "name type" or "name type|type".
  std::vector<std::string> columns;
  const char* target;
  /// Copies the rows; %1$s is the old table, %2$s the id of a row.
  const char* copy;
};

/// Rows without any time are as old as can be. An id that is here already was adopted before.
constexpr const char* kCopyMeasurements =
    "INSERT INTO monitoring.pipeline_metrics"
    " (id, metric_name, metric_value, tags, \"timestamp\", created_at)"
    " SELECT %2$s, o.metric_name, o.metric_value, o.tags,"
    "  coalesce(o.\"timestamp\", o.created_at, '-infinity'), o.created_at FROM ONLY %1$s o"
    " WHERE NOT EXISTS (SELECT FROM monitoring.pipeline_metrics n WHERE n.id = %2$s)"
    " ON CONFLICT DO NOTHING";

/// Of several rows for one series and period the newest counts. An hour that has raw rows is rolled
/// up from them. Each row gets its state, with an unknown distribution (m2_value NaN), so that late
/// measurements are added to it and coarser periods are made of it.
constexpr const char* kCopyAggregates =
    "WITH copied AS (INSERT INTO monitoring.aggregated_metrics (id, metric_name, period,"
    "  period_start, min_value, max_value, avg_value, sum_value, count_value, dimensions,"
    "  created_at)"
    " SELECT DISTINCT ON (o.metric_name, o.period, o.period_start, o.dimensions) %2$s,"
    "  o.metric_name, o.period, o.period_start, o.min_value, o.max_value, o.avg_value, o.sum_value,"
    "  o.count_value, o.dimensions, o.created_at FROM ONLY %1$s o"
    " WHERE o.period IN ('hourly', 'daily', 'weekly') AND NOT (o.period = 'hourly' AND EXISTS"
    "  (SELECT FROM monitoring.pipeline_metrics m WHERE m.metric_name = o.metric_name"
    "   AND m.\"timestamp\" >= o.period_start"
    "   AND m.\"timestamp\" < o.period_start + interval '1 hour'))"
    " ORDER BY o.metric_name, o.period, o.period_start, o.dimensions, o.created_at DESC NULLS LAST,"
    "  %2$s"
    " ON CONFLICT DO NOTHING RETURNING *),"
    " states AS (INSERT INTO monitoring_internal.rollup_state (period, period_start, metric_name,"
    "  dimensions_hash, dimensions, count_value, nonfinite_count, sum_value, min_value, max_value,"
    "  m2_value, measures, published)"
    " SELECT period, period_start, metric_name, monitoring_internal.dimensions_hash(dimensions), "
    "dimensions,"
    "  coalesce(count_value, 0), 0, sum_value, min_value, max_value, 'NaN', '{}', true FROM copied"
    " ON CONFLICT DO NOTHING),"
    " periods AS (INSERT INTO monitoring_internal.rollup_periods (period, period_start, "
    "rolled_up_at,"
    "  raw_removed)"
    " SELECT DISTINCT period, period_start, now(), true FROM copied ON CONFLICT DO NOTHING)"
    " SELECT FROM copied";

constexpr const char* kCopyIssues =
    "INSERT INTO monitoring.worker_issues (id, worker_name, issue_type, severity, message, details,"
    "  resolved, resolution_details, created_at, resolved_at)"
    " SELECT %2$s, o.worker_name, o.issue_type, o.severity, o.message, o.details, o.resolved,"
    "  o.resolution_details, o.created_at, o.resolved_at FROM ONLY %1$s o ON CONFLICT DO NOTHING";

constexpr const char* kCopyEvents =
    "INSERT INTO public.monitoring_events (id, event_type, details, created_at)"
    " SELECT %2$s, o.event_type, o.details, o.created_at FROM ONLY %1$s o ON CONFLICT DO NOTHING";

/// Nothing is known of this table's key: the id is made from what the row says, and from which of
/// several equal rows it is.
constexpr const char* kCopySystemMetrics =
    "INSERT INTO monitoring.pipeline_metrics (id, metric_name, metric_value, \"timestamp\")"
    " SELECT k.id, k.metric_name, k.metric_value, k.recorded_at FROM"
    "  (SELECT o.metric_name, o.metric_value::float8 AS metric_value, o.recorded_at,"
    "    md5(format('%%s %%s %%s %%s', o.metric_name, o.metric_value,"
    "    extract(epoch FROM o.recorded_at), row_number() OVER (PARTITION BY o.metric_name,"
    "    o.metric_value, o.recorded_at)))::uuid AS id FROM ONLY %1$s o"
    "   WHERE o.metric_name IS NOT NULL AND o.metric_value IS NOT NULL"
    "    AND o.recorded_at IS NOT NULL) k"
    " WHERE NOT EXISTS (SELECT FROM monitoring.pipeline_metrics n WHERE n.id = k.id)"
    " ON CONFLICT DO NOTHING";

const std::vector<Source>& sources() {
  static const auto* all = new std::vector<Source>{
      {"pipeline_metrics",
       {"id uuid|int8|int4", "metric_name text", "metric_value float8", "tags jsonb",
        "timestamp timestamptz", "created_at timestamptz"},
       "monitoring.pipeline_metrics",
       kCopyMeasurements},
      {"aggregated_metrics",
       {"id uuid|int8|int4", "metric_name text", "period text", "period_start timestamptz",
        "min_value float8", "max_value float8", "avg_value float8", "sum_value float8",
        "count_value int4|int8", "dimensions jsonb", "created_at timestamptz"},
       "monitoring.aggregated_metrics",
       kCopyAggregates},
      {"worker_issues",
       {"id uuid|int8|int4", "worker_name text", "issue_type text", "severity text", "message text",
        "details jsonb", "resolved bool", "resolution_details text", "created_at timestamptz",
        "resolved_at timestamptz"},
       "monitoring.worker_issues",
       kCopyIssues},
      {"monitoring_events",
       {"id uuid|int8|int4", "event_type text", "details jsonb", "created_at timestamptz"},
       "public.monitoring_events",
       kCopyEvents},
      {"system_metrics",
       {"metric_name text|varchar", "metric_value float8|float4|numeric|int4|int8",
        "recorded_at timestamptz"},
       "public.system_metrics",
       kCopySystemMetrics}};
  return *all;
}

void check_schema(pg::Spi& spi, std::string_view old_schema) {
  if (old_schema == "monitoring") {
    throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE,
                     "the old tables must be in a schema of their own")
        .hint("The error of CREATE EXTENSION prints the commands that move them aside.");
  }
  const pg::Rows rows =
      spi.query("SELECT FROM pg_namespace WHERE nspname = $1", {pg::text(old_schema)});
  if (!rows.empty()) return;
  throw pg::Report(ERRCODE_INVALID_SCHEMA_NAME,
                   "schema \"" + std::string(old_schema) + "\" does not exist");
}

/// A table, locked: what it is cannot change while it is copied.
struct Relation {
  Oid oid;
  std::string name;
};

/// The old table, or nothing if there is none of that name.
std::optional<Relation> find(pg::Spi& spi, std::string_view old_schema, const Source& source) {
  const pg::Rows rows = spi.query(
      "SELECT format('%I.%I', n.nspname, c.relname)"
      " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
      " WHERE n.nspname = $1 AND c.relname = $2",
      {pg::text(old_schema), pg::text(source.table)});
  if (rows.empty()) return std::nullopt;
  const std::string name = *rows.text(0, 1);
  const pg::LockedRelation locked = pg::lock_relation(name);
  if (locked.kind != RELKIND_RELATION) {
    throw pg::Report(ERRCODE_WRONG_OBJECT_TYPE, name + " is not an ordinary table")
        .hint("Copy what it shows into a table of that name.");
  }
  return Relation{locked.oid, name};
}

void check_columns(pg::Spi& spi, const Relation& relation, const Source& source) {
  const pg::Rows missing = spi.query(
      "SELECT w.column_name, w.types"
      " FROM unnest($2) AS u(spec),"
      " LATERAL (SELECT split_part(u.spec, ' ', 1), split_part(u.spec, ' ', 2))"
      "  AS w(column_name, types)"
      " WHERE NOT EXISTS (SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"
      "  WHERE a.attrelid = $1 AND a.attname = w.column_name AND NOT a.attisdropped"
      "  AND t.typnamespace = 'pg_catalog'::regnamespace"
      "  AND t.typname = ANY (string_to_array(w.types, '|'))) LIMIT 1",
      {pg::datum(OIDOID, ObjectIdGetDatum(relation.oid)), pg::text_array(source.columns)});
  if (missing.empty()) return;
  throw pg::Report(ERRCODE_DATATYPE_MISMATCH, relation.name + " has no column \"" +
                                                  *missing.text(0, 1) + "\" of type " +
                                                  *missing.text(0, 2));
}

/// A number (of a bigserial, say) becomes an id that is the same whenever the table is adopted.
std::string id_of_rows(pg::Spi& spi, const Relation& relation, const Source& source) {
  const pg::Rows rows = spi.query(
      "SELECT CASE a.atttypid WHEN 'uuid'::regtype THEN 'o.id'"
      " ELSE format('md5(%L || o.id)::uuid', $2 || ' ') END"
      " FROM pg_attribute a WHERE a.attrelid = $1 AND a.attname = 'id' AND NOT a.attisdropped",
      {pg::datum(OIDOID, ObjectIdGetDatum(relation.oid)), pg::text(source.table)});
  return rows.empty() ? "" : *rows.text(0, 1);
}

std::int64_t copy(pg::Spi& spi, const Relation& relation, const Source& source) {
  const std::string sql =
      *spi.query("SELECT format($1, $2, $3)", {pg::text(source.copy), pg::text(relation.name),
                                               pg::text(id_of_rows(spi, relation, source))})
           .text(0, 1);
  // Its name must not lead elsewhere by now: code of a view would run as the caller.
  const pg::NamedRelations nothing_else(sql.c_str(), {relation.oid});
  return static_cast<std::int64_t>(spi.execute(sql.c_str()));
}

}  // namespace

std::vector<Adopted> adopt(pg::Spi& spi, std::string_view old_schema) {
  check_schema(spi, old_schema);
  std::vector<Adopted> result;
  for (const Source& source : sources()) {
    const auto relation = find(spi, old_schema, source);
    if (!relation) continue;
    check_columns(spi, *relation, source);
    result.push_back({source.target, copy(spi, *relation, source)});
  }
  return result;
}

}  // namespace monitoring::setup
