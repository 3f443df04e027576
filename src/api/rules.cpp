// SQL entry points of alert rules.

#include "monitoring/pg/arguments.hpp"
#include "monitoring/pg/labels.hpp"
#include "monitoring/pg/trigger.hpp"

extern "C" {
#include <catalog/pg_type.h>
#include <utils/builtins.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <string>

#include "api/named_rows.hpp"
#include "api/own_rows.hpp"
#include "monitoring/alerting/threshold.hpp"
#include "monitoring/rules/baseline.hpp"
#include "monitoring/rules/evaluation.hpp"
#include "monitoring/rules/stored_rules.hpp"
#include "monitoring/rules/threshold_levels.hpp"

using namespace monitoring;

namespace {

void require_rule(pg::Spi& spi, std::int64_t id) {
  const char* kRule = "SELECT FROM monitoring.alert_rules WHERE id OPERATOR(pg_catalog.=) $1";
  if (!spi.query(kRule, {pg::int8(id)}).empty()) return;
  throw pg::Report(ERRCODE_UNDEFINED_OBJECT, "there is no alert rule " + std::to_string(id))
      .hint("See monitoring.alert_rules.");
}

/// Through SQL, for the search_path of that function.
void try_rule(pg::Spi& spi, std::int64_t id) {
  spi.query("SELECT monitoring_internal.try_alert_rule($1)", {pg::int8(id)});
}

/// All that a user says of a rule. The owner's search_path goes with the query.
std::string replacing_rule() {
  return api::replacing(
      "rule_name", {"group_name", "language", "expr", "severity", "for_duration", "keep_firing_for",
                    "labels", "annotations", "evaluate_every", "no_data", "on_error", "timeout",
                    "row_limit", "enabled", "owner", "search_path"});
}

/// Makes a rule by this INSERT, or changes the one of its name, and returns its id. A rule that was
/// there keeps it, and so do its alerts.
std::int64_t put_rule(pg::Spi& spi, const std::string& name, bool replace,
                      const std::string& insert, std::initializer_list<pg::Param> params) {
  const std::string sql = insert + (replace ? replacing_rule() : std::string());
  api::make(api::kAlertRule, name, [&] { spi.execute(sql.c_str(), params); });
  const pg::Rows rows =
      spi.query("SELECT id FROM monitoring.alert_rules WHERE rule_name OPERATOR(pg_catalog.=) $1",
                {pg::text(name)});
  return *rows.int8(0, 1);
}

/// The levels of a rule, which has none yet or, replaced, others.
void put_levels(pg::Spi& spi, bool replace, const std::string& insert,
                std::initializer_list<pg::Param> params) {
  const std::string sql =
      insert + (replace ? api::replacing("rule_id", {"metric_name", "warning", "critical",
                                                     "comparison", "over_last", "aggregate",
                                                     "matching", "resolve_at", "levels"})
                        : std::string());
  spi.execute(sql.c_str(), params);
}

bool replace_argument(FunctionCallInfo fcinfo, int index) {
  pg::require(fcinfo, index, "replace");
  return PG_GETARG_BOOL(index);
}

constexpr Instant kFirstEvaluation{};
/// 9000-01-01T00:00:00Z
constexpr Instant kLastEvaluation{std::chrono::seconds(221845392000)};

Instant evaluation_time(FunctionCallInfo fcinfo) {
  pg::require(fcinfo, 0, "evaluated_at");
  const TimestampTz at = PG_GETARG_TIMESTAMPTZ(0);
  if (TIMESTAMP_NOT_FINITE(at)) {
    throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, "evaluated_at must be finite");
  }
  // What is stored of a pass is written in RFC 3339, and times are added to it.
  const Instant instant = pg::instant_of(at);
  if (instant < kFirstEvaluation || instant > kLastEvaluation) {
    throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE,
                     "evaluated_at must be between the years 1970 and 9000");
  }
  return instant;
}

/// A rule's levels are its owner's as its query is. Of a rule that goes, and takes them along, or
/// that is not there for the foreign key to find, there is nobody to ask.
void require_own_rule(std::optional<std::int64_t> rule_id) {
  if (!rule_id) return;
  pg::Spi spi;
  const pg::Rows rules = spi.query(
      "SELECT owner::pg_catalog.text FROM monitoring.alert_rules WHERE id OPERATOR(pg_catalog.=) "
      "$1",
      {pg::int8(*rule_id)});
  if (!rules.empty()) api::require_owner(*rules.text(0, 1));
}

/// A number of days or hours that the function can look back by.
std::int32_t required_count(FunctionCallInfo fcinfo, int index, const char* name) {
  constexpr std::int32_t kMost = 366;
  pg::require(fcinfo, index, name);
  const std::int32_t count = PG_GETARG_INT32(index);
  if (count >= 1 && count <= kMost) return count;
  throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE,
                   std::string(name) + " must be between 1 and " + std::to_string(kMost));
}

}  // namespace

/// Trigger: what no constraint can say of a rule.
MONITORING_FUNCTION(monitoring_check_alert_rule) {
  pg::TriggerCall row(
      fcinfo, {"check_alert_rule", pg::TriggerTime::before, pg::kOnInsert | pg::kOnUpdate, 0});
  const auto name = row.text("rule_name");
  const auto labels = row.jsonb("labels");
  const auto annotations = row.jsonb("annotations");
  // NULLs are for the constraints to refuse.
  if (!name || !labels || !annotations) return row.result();
  rules::check_definition(*name, pg::labels_of_json(*labels, "labels"),
                          pg::labels_of_json(*annotations, "annotations"));
  // A new row's is its own: that of a restored one, too.
  if (row.is_update()) {
    row.set("updated_at", pg::datum(TIMESTAMPTZOID, TimestampTzGetDatum(GetCurrentTimestamp())));
  }
  return row.result();
}

/// Trigger: levels that contradict each other, and levels of a rule that is somebody else's.
MONITORING_FUNCTION(monitoring_check_threshold) {
  constexpr unsigned kEvents = pg::kOnInsert | pg::kOnUpdate | pg::kOnDelete;
  const pg::TriggerCall row(fcinfo, {"check_threshold", pg::TriggerTime::before, kEvents, 0});
  require_own_rule(row.int8("rule_id"));
  if (row.is_update()) require_own_rule(row.old_int8("rule_id"));
  if (row.is_delete()) return row.result();
  const auto comparison = row.text("comparison");
  // For the constraint to refuse.
  if (!comparison || !alerting::comparison_from_text(*comparison)) return row.result();
  rules::make_threshold("threshold", {*comparison, row.float8("warning"), row.float8("critical"),
                                      row.float8("resolve_at"), row.jsonb("levels")});
  return row.result();
}

/// monitoring_internal.try_alert_rule(rule_id) -> void
MONITORING_FUNCTION(monitoring_try_alert_rule) {
  pg::require(fcinfo, 0, "rule_id");
  const std::int64_t id = PG_GETARG_INT64(0);
  pg::Spi spi;
  require_rule(spi, id);
  rules::check_by_running(spi, id, pg::instant_of(GetCurrentTimestamp()));
  PG_RETURN_VOID();
}

/// monitoring.create_alert(...) -> bigint
MONITORING_FUNCTION(monitoring_create_alert) {
  const std::string language = pg::required_text(fcinfo, 15, "language");
  if (language != "sql") {
    throw pg::Report(ERRCODE_FEATURE_NOT_SUPPORTED,
                     "alert rules in language \"" + language + "\" are not supported")
        .hint("Use language 'sql', or monitoring.create_threshold().");
  }
  const std::string name = pg::required_text(fcinfo, 0, "rule_name");
  const bool replace = replace_argument(fcinfo, 16);
  pg::Spi spi;
  const std::int64_t id = put_rule(
      spi, name, replace,
      "INSERT INTO monitoring.alert_rules AS old (rule_name, expr, severity, for_duration, labels,"
      " annotations, keep_firing_for, evaluate_every, no_data, on_error, timeout, row_limit,"
      " group_name, enabled, owner) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,"
      " $14, $15)",
      {pg::text(name), pg::text(pg::required_text(fcinfo, 1, "expr")),
       pg::argument(fcinfo, 2, TEXTOID), pg::argument(fcinfo, 3, INTERVALOID),
       pg::argument(fcinfo, 4, JSONBOID), pg::argument(fcinfo, 5, JSONBOID),
       pg::argument(fcinfo, 6, INTERVALOID), pg::argument(fcinfo, 7, INTERVALOID),
       pg::argument(fcinfo, 8, TEXTOID), pg::argument(fcinfo, 9, TEXTOID),
       pg::argument(fcinfo, 10, INTERVALOID), pg::argument(fcinfo, 11, INT4OID),
       pg::argument(fcinfo, 12, TEXTOID), pg::argument(fcinfo, 13, BOOLOID),
       pg::argument(fcinfo, 14, NAMEOID)});
  // Those of a threshold that the rule was.
  if (replace) {
    spi.execute("DELETE FROM monitoring.thresholds WHERE rule_id OPERATOR(pg_catalog.=) $1",
                {pg::int8(id)});
  }
  try_rule(spi, id);
  PG_RETURN_INT64(id);
}

/// monitoring.create_threshold(...) -> bigint
MONITORING_FUNCTION(monitoring_create_threshold) {
  const std::string metric_name = pg::required_text(fcinfo, 0, "metric_name");
  const std::string name = pg::optional_text(fcinfo, 9).value_or(metric_name);
  const bool replace = replace_argument(fcinfo, 20);
  pg::Spi spi;
  const std::int64_t id = put_rule(
      spi, name, replace,
      "INSERT INTO monitoring.alert_rules AS old (rule_name, language, for_duration, labels, "
      "annotations,"
      " keep_firing_for, evaluate_every, no_data, on_error, timeout, group_name, enabled, owner)"
      " VALUES ($1, 'threshold', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
      {pg::text(name), pg::argument(fcinfo, 4, INTERVALOID), pg::argument(fcinfo, 10, JSONBOID),
       pg::argument(fcinfo, 11, JSONBOID), pg::argument(fcinfo, 12, INTERVALOID),
       pg::argument(fcinfo, 13, INTERVALOID), pg::argument(fcinfo, 14, TEXTOID),
       pg::argument(fcinfo, 15, TEXTOID), pg::argument(fcinfo, 16, INTERVALOID),
       pg::argument(fcinfo, 17, TEXTOID), pg::argument(fcinfo, 18, BOOLOID),
       pg::argument(fcinfo, 19, NAMEOID)});
  put_levels(
      spi, replace,
      "INSERT INTO monitoring.thresholds AS old (rule_id, metric_name, warning, critical, "
      "comparison,"
      " over_last, aggregate, matching, resolve_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
      {pg::int8(id), pg::text(metric_name), pg::argument(fcinfo, 1, FLOAT8OID),
       pg::argument(fcinfo, 2, FLOAT8OID), pg::argument(fcinfo, 3, TEXTOID),
       pg::argument(fcinfo, 5, INTERVALOID), pg::argument(fcinfo, 6, TEXTOID),
       pg::argument(fcinfo, 7, JSONBOID), pg::argument(fcinfo, 8, FLOAT8OID)});
  try_rule(spi, id);
  PG_RETURN_INT64(id);
}

/// monitoring.create_ladder(...) -> bigint
MONITORING_FUNCTION(monitoring_create_ladder) {
  const std::string rule_name = pg::required_text(fcinfo, 0, "rule_name");
  pg::require(fcinfo, 1, "levels");
  const bool replace = replace_argument(fcinfo, 20);
  const auto expr = pg::optional_text(fcinfo, 2);
  const auto metric_name = pg::optional_text(fcinfo, 3);
  if (expr.has_value() == metric_name.has_value()) {
    throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, "a ladder needs either expr or metric_name")
        .hint("expr is a query like that of create_alert(), metric_name a recorded metric.");
  }
  // A query that gives no row for a series says that there is none; a metric may just be late.
  const auto no_data = pg::optional_text(fcinfo, 13).value_or(expr ? "ok" : "keep");
  pg::Spi spi;
  const std::int64_t id = put_rule(
      spi, rule_name, replace,
      "INSERT INTO monitoring.alert_rules AS old (rule_name, language, expr, for_duration, labels,"
      " annotations, keep_firing_for, evaluate_every, no_data, on_error, timeout, row_limit,"
      " group_name, enabled, owner)"
      " VALUES ($1, 'threshold', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
      {pg::text(rule_name), pg::text(expr), pg::argument(fcinfo, 5, INTERVALOID),
       pg::argument(fcinfo, 9, JSONBOID), pg::argument(fcinfo, 10, JSONBOID),
       pg::argument(fcinfo, 11, INTERVALOID), pg::argument(fcinfo, 12, INTERVALOID),
       pg::text(no_data), pg::argument(fcinfo, 14, TEXTOID), pg::argument(fcinfo, 15, INTERVALOID),
       pg::argument(fcinfo, 16, INT4OID), pg::argument(fcinfo, 17, TEXTOID),
       pg::argument(fcinfo, 18, BOOLOID), pg::argument(fcinfo, 19, NAMEOID)});
  put_levels(spi, replace,
             "INSERT INTO monitoring.thresholds AS old (rule_id, metric_name, levels, comparison, "
             "over_last,"
             " aggregate, matching) VALUES ($1, $2, $3, $4, $5, $6, $7)",
             {pg::int8(id), pg::text(metric_name), pg::argument(fcinfo, 1, JSONBOID),
              pg::argument(fcinfo, 4, TEXTOID), pg::argument(fcinfo, 6, INTERVALOID),
              pg::argument(fcinfo, 7, TEXTOID), pg::argument(fcinfo, 8, JSONBOID)});
  try_rule(spi, id);
  PG_RETURN_INT64(id);
}

/// monitoring.drop_alert(rule_name, if_exists) -> boolean; also of a threshold or ladder
MONITORING_FUNCTION(monitoring_drop_alert) {
  PG_RETURN_BOOL(api::drop(fcinfo, api::kAlertRule));
}

/// monitoring.evaluate_alerts(evaluated_at) -> integer
MONITORING_FUNCTION(monitoring_evaluate_alerts) {
  const Instant at = evaluation_time(fcinfo);
  pg::Spi spi;
  PG_RETURN_INT32(static_cast<std::int32_t>(rules::evaluate(spi, at)));
}

/// monitoring.metric_baseline(metric_name, evaluated_at, dimensions, days, at_least) -> float8
MONITORING_FUNCTION(monitoring_metric_baseline) {
  const std::string metric_name = pg::required_text(fcinfo, 0, "metric_name");
  pg::require(fcinfo, 1, "evaluated_at");
  pg::require(fcinfo, 2, "dimensions");
  const std::int32_t days = required_count(fcinfo, 3, "days");
  const std::int32_t at_least = required_count(fcinfo, 4, "at_least");
  const TimestampTz at = PG_GETARG_TIMESTAMPTZ(1);
  if (TIMESTAMP_NOT_FINITE(at)) PG_RETURN_NULL();
  pg::Spi spi;
  const auto baseline =
      rules::metric_baseline(spi, metric_name, pg::argument(fcinfo, 2, JSONBOID),
                             pg::instant_of(at), days, static_cast<std::size_t>(at_least));
  if (!baseline) PG_RETURN_NULL();
  PG_RETURN_FLOAT8(*baseline);
}
