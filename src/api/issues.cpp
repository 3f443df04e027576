// SQL entry points of worker issues and worker heartbeats.

#include "monitoring/issues/issues.hpp"

#include "monitoring/pg/arguments.hpp"

extern "C" {
#include <catalog/pg_type.h>
#include <utils/fmgroids.h>
}

using namespace monitoring;

namespace {

pg::Param new_uuid() {
  return pg::datum(UUIDOID, pg::call([] { return OidFunctionCall0(F_GEN_RANDOM_UUID); }));
}

}  // namespace

/// monitoring.log_worker_issue(worker_name, issue_type, message, severity, details) -> uuid
MONITORING_FUNCTION(monitoring_log_worker_issue) {
  const std::string worker_name = pg::required_text(fcinfo, 0, "worker_name");
  const std::string issue_type = pg::required_text(fcinfo, 1, "issue_type");
  const std::string severity = pg::required_text(fcinfo, 3, "severity");
  if (!issues::is_issue_severity(severity)) {
    throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, "unknown severity \"" + severity + "\"")
        .hint("Severities are info, warning and critical.");
  }
  // The id is made here, not read back: a writer needs no right to read issues.
  const pg::Param id = new_uuid();
  pg::Spi spi;
  spi.execute(
      "INSERT INTO monitoring.worker_issues"
      " (id, worker_name, issue_type, message, severity, details) VALUES ($1, $2, $3, $4, $5, $6)",
      {id, pg::text(worker_name), pg::text(issue_type), pg::argument(fcinfo, 2, TEXTOID),
       pg::text(severity), pg::argument(fcinfo, 4, JSONBOID)});
  return id.value;
}

/// monitoring.resolve_worker_issue(id, resolution_details) -> boolean
MONITORING_FUNCTION(monitoring_resolve_worker_issue) {
  pg::require(fcinfo, 0, "id");
  pg::Spi spi;
  const auto resolved = spi.execute(
      "UPDATE monitoring.worker_issues SET resolved = true, resolution_details = $2,"
      " resolved_at = pg_catalog.now()"
      " WHERE id OPERATOR(pg_catalog.=) $1 AND resolved IS NOT TRUE",
      {pg::argument(fcinfo, 0, UUIDOID), pg::argument(fcinfo, 1, TEXTOID)});
  return BoolGetDatum(resolved > 0);
}

/// monitoring.heartbeat(worker_name, expected_every, details) -> void
MONITORING_FUNCTION(monitoring_heartbeat) {
  const std::string worker_name = pg::required_text(fcinfo, 0, "worker_name");
  pg::required_positive_interval(fcinfo, 1, "expected_every");
  pg::Spi spi;
  spi.execute(
      "INSERT INTO monitoring.worker_heartbeats AS h"
      " (worker_name, last_seen_at, expected_every, details)"
      " VALUES ($1, pg_catalog.clock_timestamp(), $2, $3)"
      " ON CONFLICT (worker_name) DO UPDATE SET last_seen_at = excluded.last_seen_at,"
      " expected_every = excluded.expected_every, details = excluded.details",
      {pg::text(worker_name), pg::argument(fcinfo, 1, INTERVALOID),
       pg::argument(fcinfo, 2, JSONBOID)});
  PG_RETURN_VOID();
}

/// monitoring.forget_worker(worker_name) -> boolean
MONITORING_FUNCTION(monitoring_forget_worker) {
  const std::string worker_name = pg::required_text(fcinfo, 0, "worker_name");
  pg::Spi spi;
  const auto removed = spi.execute(
      "DELETE FROM monitoring.worker_heartbeats WHERE worker_name OPERATOR(pg_catalog.=) $1",
      {pg::text(worker_name)});
  return BoolGetDatum(removed > 0);
}
