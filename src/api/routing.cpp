// SQL entry points of routing.

#include "monitoring/pg/arguments.hpp"
#include "monitoring/pg/trigger.hpp"

extern "C" {
#include <catalog/pg_type.h>
#include <executor/spi.h>
#include <funcapi.h>
#include <utils/timestamp.h>
#include <utils/tuplestore.h>
#include <utils/uuid.h>
}
// clang-format keeps the server's headers first.
#include <string>

#include "monitoring/base/labels_json.hpp"
#include "monitoring/routing/config.hpp"
#include "monitoring/routing/route_explanation.hpp"
#include "monitoring/routing/routing_pass.hpp"

#include "api/named_rows.hpp"
#include "api/transaction_time.hpp"

using namespace monitoring;

namespace {

/// An optional text as a value of a row.
void put_text(const std::optional<std::string>& text, Datum& value, bool& is_null) {
  const pg::Param param = pg::text(text);
  value = param.value;
  is_null = param.is_null;
}

void put(FunctionCallInfo fcinfo, const routing::ExplainedRoute& row) {
  const auto* result = reinterpret_cast<const ReturnSetInfo*>(fcinfo->resultinfo);
  Datum values[5] = {};
  bool nulls[5] = {};
  put_text(row.receiver, values[0], nulls[0]);
  values[1] = Int64GetDatum(row.route_id);
  put_text(row.path, values[2], nulls[2]);
  put_text(row.group_key, values[3], nulls[3]);
  put_text(row.reason, values[4], nulls[4]);
  pg::call([&] { tuplestore_putvalues(result->setResult, result->setDesc, values, nulls); });
}

void require_receiver(pg::Spi& spi, const std::string& receiver) {
  if (!spi.query("SELECT FROM monitoring.receivers WHERE receiver_name = $1", {pg::text(receiver)})
           .empty()) {
    return;
  }
  api::refuse_unknown(spi, api::kReceiver, receiver);
}

/// Every named time interval has to exist when a route is made; later ones are checked at use.
void require_intervals(pg::Spi& spi, const pg::Param& names) {
  const pg::Rows rows = spi.query(
      "SELECT n FROM unnest($1) n WHERE NOT EXISTS"
      " (SELECT FROM monitoring.time_intervals t WHERE t.interval_name = n)",
      {names});
  if (rows.empty()) return;
  const std::optional<std::string> name = rows.text(0, 1);
  if (!name) {
    throw pg::Report(ERRCODE_NULL_VALUE_NOT_ALLOWED,
                     "a list of time intervals must not contain NULL");
  }
  throw pg::Report(ERRCODE_UNDEFINED_OBJECT, "time interval \"" + *name + "\" does not exist")
      .hint("monitoring.create_time_interval() makes one.");
}

/// A route that names times that are gone would be told at all times.
void require_unused_interval(const std::string& name) {
  pg::Spi spi;
  const pg::Rows rows = spi.query(
      "SELECT string_agg(format('\"%s\"', route_name), ', ' ORDER BY route_name)"
      " FROM monitoring.routes WHERE $1 = ANY (mute_time_intervals || active_time_intervals)",
      {pg::text(name)});
  const std::optional<std::string> users = rows.text(0, 1);
  if (!users) return;
  throw pg::Report(ERRCODE_FOREIGN_KEY_VIOLATION,
                   "time interval \"" + name + "\" is used by route " + *users)
      .hint("Change or drop these first.");
}

/// The arguments of create_route() as a row. Of the root the id is the key, of others the name.
void put_route(pg::Spi& spi, FunctionCallInfo fcinfo, bool is_root,
               const std::optional<std::string>& name, bool replace) {
  std::string sql =
      "INSERT INTO monitoring.routes AS old (id, receiver, matchers, parent, continue_matching,"
      " group_by, group_wait, group_interval, repeat_interval, mute_time_intervals,"
      " active_time_intervals, sort_order, route_name) VALUES (CASE WHEN $3 IS NULL THEN 0 ELSE"
      "  nextval('monitoring.routes_id_seq') END,"
      " $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
  if (replace) {
    std::vector<const char*> columns = {"receiver",
                                        "matchers",
                                        "parent",
                                        "continue_matching",
                                        "group_by",
                                        "group_wait",
                                        "group_interval",
                                        "repeat_interval",
                                        "mute_time_intervals",
                                        "active_time_intervals"};
    // Without an order it stays where it is.
    if (!PG_ARGISNULL(10)) columns.push_back("sort_order");
    sql += api::replacing(is_root ? "id" : "route_name", columns);
  }
  api::make(api::kRoute, name.value_or(is_root ? "root" : "next"), [&] {
    spi.execute(sql.c_str(),
                {pg::argument(fcinfo, 0, TEXTOID), pg::argument(fcinfo, 1, TEXTARRAYOID),
                 pg::argument(fcinfo, 2, INT8OID), pg::argument(fcinfo, 3, BOOLOID),
                 pg::argument(fcinfo, 4, TEXTARRAYOID), pg::argument(fcinfo, 5, INTERVALOID),
                 pg::argument(fcinfo, 6, INTERVALOID), pg::argument(fcinfo, 7, INTERVALOID),
                 pg::argument(fcinfo, 8, TEXTARRAYOID), pg::argument(fcinfo, 9, TEXTARRAYOID),
                 pg::argument(fcinfo, 10, INT4OID), pg::text(name)});
  });
}

}  // namespace

/// Trigger of the tables that configure routing.
MONITORING_FUNCTION(monitoring_check_routing) {
  constexpr unsigned kEvents = pg::kOnInsert | pg::kOnUpdate | pg::kOnDelete;
  const pg::TriggerCall call(fcinfo, {"check_routing", pg::TriggerTime::after, 0, kEvents});
  pg::Spi spi;
  routing::check_routing(spi);
  return call.result();
}

/// monitoring.create_route(receiver, matchers, parent, continue_matching, group_by, group_wait,
/// group_interval, repeat_interval, mute_time_intervals, active_time_intervals, sort_order,
/// route_name, replace) -> id
MONITORING_FUNCTION(monitoring_create_route) {
  const std::optional<std::string> receiver = pg::optional_text(fcinfo, 0);
  const std::optional<std::string> name = pg::optional_text(fcinfo, 11);
  const bool is_root = PG_ARGISNULL(2);
  pg::require(fcinfo, 12, "replace");
  const bool replace = PG_GETARG_BOOL(12);
  if (replace && !is_root && !name) {
    throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, "a route without a name cannot be replaced")
        .hint(
            "Give it one by route_name; those of routes that are there stand in "
            "monitoring.routes.");
  }
  if (name && is_root != (*name == "root")) {
    throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE,
                     "the name \"root\" is that of the route without a parent, and of no other");
  }
  pg::Spi spi;
  if (receiver) require_receiver(spi, *receiver);
  for (const int list : {8, 9}) {
    require_intervals(spi, pg::argument(fcinfo, list, TEXTARRAYOID));
  }
  put_route(spi, fcinfo, is_root, name, replace);
  const pg::Rows rows =
      is_root ? spi.query("SELECT id FROM monitoring.routes WHERE id = 0")
      : name ? spi.query("SELECT id FROM monitoring.routes WHERE route_name = $1", {pg::text(name)})
             : spi.query("SELECT currval('monitoring.routes_id_seq')");
  PG_RETURN_INT64(*rows.int8(0, 1));
}

/// monitoring.create_inhibit_rule(source_matchers, target_matchers, equal_labels, rule_name,
/// replace) -> id
MONITORING_FUNCTION(monitoring_create_inhibit_rule) {
  const std::string name = pg::optional_text(fcinfo, 3).value_or("");
  pg::require(fcinfo, 4, "replace");
  const bool replace = PG_GETARG_BOOL(4);
  if (replace && name.empty()) {
    throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE,
                     "an inhibit rule without a name cannot be replaced")
        .hint("Give it one by rule_name.");
  }
  std::string sql =
      "INSERT INTO monitoring.inhibit_rules AS old (rule_name, source_matchers, target_matchers,"
      " equal_labels) VALUES ($1, $2, $3, $4)";
  if (replace) {
    sql += api::replacing("rule_name", {"source_matchers", "target_matchers", "equal_labels"});
  }
  pg::Spi spi;
  api::make(api::kInhibitRule, name, [&] {
    spi.execute(sql.c_str(),
                {pg::text(name), pg::argument(fcinfo, 0, TEXTARRAYOID),
                 pg::argument(fcinfo, 1, TEXTARRAYOID), pg::argument(fcinfo, 2, TEXTARRAYOID)});
  });
  const pg::Rows rows =
      name.empty() ? spi.query("SELECT currval('monitoring.inhibit_rules_id_seq')")
                   : spi.query("SELECT id FROM monitoring.inhibit_rules WHERE rule_name = $1",
                               {pg::text(name)});
  PG_RETURN_INT64(*rows.int8(0, 1));
}

/// monitoring.create_time_interval(interval_name, intervals, replace) -> void
MONITORING_FUNCTION(monitoring_create_time_interval) {
  const std::string name = pg::required_text(fcinfo, 0, "interval_name");
  pg::require(fcinfo, 2, "replace");
  std::string sql =
      "INSERT INTO monitoring.time_intervals AS old (interval_name, intervals) VALUES ($1, $2)";
  if (PG_GETARG_BOOL(2)) sql += api::replacing("interval_name", {"intervals"});
  pg::Spi spi;
  api::make(api::kTimeInterval, name, [&] {
    spi.execute(sql.c_str(), {pg::text(name), pg::argument(fcinfo, 1, JSONBOID)});
  });
  PG_RETURN_VOID();
}

/// monitoring.create_escalation(policy_name, steps, matchers, sort_order, replace) -> void
MONITORING_FUNCTION(monitoring_create_escalation) {
  const std::string name = pg::required_text(fcinfo, 0, "policy_name");
  pg::require(fcinfo, 4, "replace");
  std::string sql =
      "INSERT INTO monitoring.escalations AS old (policy_name, steps, matchers, sort_order)"
      " VALUES ($1, $2, $3, $4)";
  if (PG_GETARG_BOOL(4)) sql += api::replacing("policy_name", {"steps", "matchers", "sort_order"});
  pg::Spi spi;
  api::make(api::kEscalation, name, [&] {
    spi.execute(sql.c_str(),
                {pg::text(name), pg::argument(fcinfo, 1, JSONBOID),
                 pg::argument(fcinfo, 2, TEXTARRAYOID), pg::argument(fcinfo, 3, INT4OID)});
  });
  PG_RETURN_VOID();
}

/// monitoring.create_watchdog(receiver, every, replace) -> void
MONITORING_FUNCTION(monitoring_create_watchdog) {
  const std::string receiver = pg::required_text(fcinfo, 0, "receiver");
  pg::require(fcinfo, 2, "replace");
  std::string sql = "INSERT INTO monitoring.watchdogs AS old (receiver, every) VALUES ($1, $2)";
  if (PG_GETARG_BOOL(2)) sql += api::replacing("receiver", {"every"});
  pg::Spi spi;
  api::make(api::kWatchdog, receiver, [&] {
    spi.execute(sql.c_str(), {pg::text(receiver), pg::argument(fcinfo, 1, INTERVALOID)});
  });
  PG_RETURN_VOID();
}

/// monitoring.drop_route(route_name, if_exists) -> boolean
MONITORING_FUNCTION(monitoring_drop_route) {
  PG_RETURN_BOOL(api::drop(fcinfo, api::kRoute));
}

/// monitoring.drop_inhibit_rule(rule_name, if_exists) -> boolean
MONITORING_FUNCTION(monitoring_drop_inhibit_rule) {
  PG_RETURN_BOOL(api::drop(fcinfo, api::kInhibitRule));
}

/// monitoring.drop_time_interval(interval_name, if_exists) -> boolean
MONITORING_FUNCTION(monitoring_drop_time_interval) {
  require_unused_interval(pg::required_text(fcinfo, 0, "interval_name"));
  PG_RETURN_BOOL(api::drop(fcinfo, api::kTimeInterval));
}

/// monitoring.drop_escalation(policy_name, if_exists) -> boolean
MONITORING_FUNCTION(monitoring_drop_escalation) {
  PG_RETURN_BOOL(api::drop(fcinfo, api::kEscalation));
}

/// monitoring.drop_watchdog(receiver, if_exists) -> boolean
MONITORING_FUNCTION(monitoring_drop_watchdog) {
  PG_RETURN_BOOL(api::drop(fcinfo, api::kWatchdog));
}

/// monitoring_internal.matches(matchers, labels) -> boolean; false for matchers that are none
MONITORING_FUNCTION(monitoring_matches) {
  if (PG_ARGISNULL(0) || PG_ARGISNULL(1)) PG_RETURN_BOOL(false);
  pg::Spi spi;
  const pg::Rows rows =
      spi.query("SELECT to_json($1)::text, $2::text",
                {pg::argument(fcinfo, 0, TEXTARRAYOID), pg::argument(fcinfo, 1, JSONBOID)});
  try {
    const auto matchers = dispatch::parse_matcher_list(routing::text_list(*rows.text(0, 1)));
    PG_RETURN_BOOL(matchers.ok() &&
                   dispatch::matches_all(*matchers, labels_of_stored(*rows.text(0, 2))));
  } catch (const pg::Report&) {
    PG_RETURN_BOOL(false);
  }
}

/// monitoring_internal.check_matchers(matchers) -> void
MONITORING_FUNCTION(monitoring_check_matchers) {
  pg::require(fcinfo, 0, "matchers");
  pg::Spi spi;
  const pg::Rows rows =
      spi.query("SELECT to_json($1)::text", {pg::argument(fcinfo, 0, TEXTARRAYOID)});
  auto matchers = dispatch::parse_matcher_list(routing::text_list(*rows.text(0, 1), "matchers"));
  if (!matchers) throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, matchers.error());
  dispatch::Silence silence;
  silence.matchers = std::move(matchers).value();
  silence.ends_at = silence.starts_at + std::chrono::seconds(1);
  if (const auto error = dispatch::check_silence(silence)) {
    throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, *error);
  }
  PG_RETURN_VOID();
}

/// monitoring.create_maintenance(maintenance_name, matchers, schedule, duration, time_zone,
/// comment, enabled, replace) -> void
MONITORING_FUNCTION(monitoring_create_maintenance) {
  const std::string name = pg::required_text(fcinfo, 0, "maintenance_name");
  pg::require(fcinfo, 7, "replace");
  std::string sql =
      "INSERT INTO monitoring.maintenances AS old (maintenance_name, matchers, schedule, duration,"
      " time_zone, comment, enabled) VALUES ($1, $2, $3, $4, $5, $6, $7)";
  if (PG_GETARG_BOOL(7)) {
    sql += api::replacing("maintenance_name",
                          {"matchers", "schedule", "duration", "time_zone", "comment", "enabled"});
  }
  pg::Spi spi;
  api::make(api::kMaintenance, name, [&] {
    spi.execute(
        sql.c_str(),
        {pg::text(name), pg::argument(fcinfo, 1, TEXTARRAYOID), pg::argument(fcinfo, 2, TEXTOID),
         pg::argument(fcinfo, 3, INTERVALOID), pg::argument(fcinfo, 4, TEXTOID),
         pg::argument(fcinfo, 5, TEXTOID), pg::argument(fcinfo, 6, BOOLOID)});
  });
  PG_RETURN_VOID();
}

/// monitoring.drop_maintenance(maintenance_name, if_exists) -> boolean
MONITORING_FUNCTION(monitoring_drop_maintenance) {
  PG_RETURN_BOOL(api::drop(fcinfo, api::kMaintenance));
}

/// monitoring.silence(matchers, duration, comment, until_resolved, starts_at) -> uuid
MONITORING_FUNCTION(monitoring_silence) {
  pg::require(fcinfo, 0, "matchers");
  pg::require(fcinfo, 3, "until_resolved");
  if (!PG_ARGISNULL(1)) pg::required_positive_interval(fcinfo, 1, "duration");
  if (!PG_ARGISNULL(4)) pg::required_time(fcinfo, 4, "starts_at");
  pg::Spi spi;
  const pg::Rows rows = spi.query(
      "INSERT INTO monitoring.silences (matchers, starts_at, ends_at, comment, until_resolved)"
      " VALUES ($1, coalesce($5, now()), coalesce(coalesce($5, now()) + $2, 'infinity'),"
      "  coalesce($3, ''), $4) RETURNING id",
      {pg::argument(fcinfo, 0, TEXTARRAYOID), pg::argument(fcinfo, 1, INTERVALOID),
       pg::argument(fcinfo, 2, TEXTOID), pg::argument(fcinfo, 3, BOOLOID),
       pg::argument(fcinfo, 4, TIMESTAMPTZOID)});
  bool is_null = false;
  // The row goes with the connection to SPI.
  const Datum id = rows.raw(0, 1, &is_null);
  return pg::call([&] { return SPI_datumTransfer(id, false, UUID_LEN); });
}

/// monitoring.expire_silence(id) -> void
MONITORING_FUNCTION(monitoring_expire_silence) {
  pg::require(fcinfo, 0, "id");
  pg::Spi spi;
  const pg::Rows rows = spi.query(
      "UPDATE monitoring.silences SET ends_at = least(ends_at, greatest(starts_at, now()))"
      " WHERE id = $1 RETURNING id",
      {pg::argument(fcinfo, 0, UUIDOID)});
  if (rows.empty()) throw pg::Report(ERRCODE_NO_DATA_FOUND, "there is no such silence");
  PG_RETURN_VOID();
}

/// monitoring.explain_route(labels) -> setof (receiver, route_id, path, group_key, reason)
MONITORING_FUNCTION(monitoring_explain_route) {
  const std::string labels =
      pg::required_object_text(fcinfo, 0, "labels", R"({"alertname": "QueueStuck"})");
  const Instant now = api::transaction_time();
  pg::call([&] { InitMaterializedSRF(fcinfo, 0); });
  std::vector<routing::ExplainedRoute> rows;
  {
    pg::Spi spi;
    rows = routing::explain_routes(spi, labels, now);
  }
  for (const routing::ExplainedRoute& row : rows) put(fcinfo, row);
  PG_RETURN_NULL();
}

/// monitoring_internal.route_alerts(evaluated_at) -> void
MONITORING_FUNCTION(monitoring_route_alerts) {
  const Instant at = pg::required_time(fcinfo, 0, "evaluated_at");
  pg::Spi spi;
  routing::route_alerts(spi, at);
  PG_RETURN_VOID();
}
