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

#include "monitoring/routing/route_explanation.hpp"
#include "monitoring/routing/routing_pass.hpp"

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
  throw pg::Report(ERRCODE_UNDEFINED_OBJECT, "receiver \"" + receiver + "\" does not exist")
      .hint("monitoring.create_receiver() makes one.");
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
/// group_interval, repeat_interval, mute_time_intervals, active_time_intervals, sort_order) -> id
MONITORING_FUNCTION(monitoring_create_route) {
  const std::optional<std::string> receiver = pg::optional_text(fcinfo, 0);
  pg::Spi spi;
  if (receiver) require_receiver(spi, *receiver);
  for (const int list : {8, 9}) {
    require_intervals(spi, pg::argument(fcinfo, list, TEXTARRAYOID));
  }
  const bool is_root = PG_ARGISNULL(2);
  const pg::Rows rows = spi.query(
      "INSERT INTO monitoring.routes (id, receiver, matchers, parent, continue_matching, group_by,"
      " group_wait, group_interval, repeat_interval, mute_time_intervals, active_time_intervals,"
      " sort_order) VALUES (CASE WHEN $3 IS NULL THEN 0 ELSE"
      "  nextval('monitoring.routes_id_seq') END,"
      " $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
      " ON CONFLICT (id) DO NOTHING RETURNING id",
      {pg::argument(fcinfo, 0, TEXTOID), pg::argument(fcinfo, 1, TEXTARRAYOID),
       pg::argument(fcinfo, 2, INT8OID), pg::argument(fcinfo, 3, BOOLOID),
       pg::argument(fcinfo, 4, TEXTARRAYOID), pg::argument(fcinfo, 5, INTERVALOID),
       pg::argument(fcinfo, 6, INTERVALOID), pg::argument(fcinfo, 7, INTERVALOID),
       pg::argument(fcinfo, 8, TEXTARRAYOID), pg::argument(fcinfo, 9, TEXTARRAYOID),
       pg::argument(fcinfo, 10, INT4OID)});
  if (rows.empty()) {
    throw pg::Report(ERRCODE_DUPLICATE_OBJECT,
                     is_root ? "there is a root already" : "the next route id is in use already")
        .hint(is_root ? "UPDATE monitoring.routes ... WHERE id = 0 changes it."
                      : "Somebody inserted ids by hand; try again.");
  }
  PG_RETURN_INT64(*rows.int8(0, 1));
}

/// monitoring.silence(matchers, duration, comment, until_resolved) -> uuid
MONITORING_FUNCTION(monitoring_silence) {
  pg::require(fcinfo, 0, "matchers");
  pg::require(fcinfo, 3, "until_resolved");
  if (!PG_ARGISNULL(1)) pg::required_positive_interval(fcinfo, 1, "duration");
  pg::Spi spi;
  const pg::Rows rows = spi.query(
      "INSERT INTO monitoring.silences (matchers, ends_at, comment, until_resolved)"
      " VALUES ($1, coalesce(now() + $2, 'infinity'), coalesce($3, ''), $4) RETURNING id",
      {pg::argument(fcinfo, 0, TEXTARRAYOID), pg::argument(fcinfo, 1, INTERVALOID),
       pg::argument(fcinfo, 2, TEXTOID), pg::argument(fcinfo, 3, BOOLOID)});
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
