// SQL entry points of health.

#include "monitoring/health/health.hpp"

#include "monitoring/base/json.hpp"
#include "monitoring/collect/host.hpp"
#include "monitoring/pg/arguments.hpp"
#include "monitoring/pg/prepared.hpp"
#include "monitoring/pg/trigger.hpp"
#include "monitoring/probes/probes.hpp"
#include "monitoring/shmem/worker_slots.hpp"

extern "C" {
#include <access/xlog.h>
#include <catalog/pg_type.h>
#include <portability/instr_time.h>
#include <utils/builtins.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <cmath>

#include "monitoring/base/rfc3339.hpp"

using namespace monitoring;

namespace {

Instant now() {
  return pg::instant_of(GetCurrentTimestamp());
}

Datum jsonb_datum(const std::string& json) {
  return pg::jsonb(json).value;
}

Datum text_datum(std::string_view value) {
  return pg::text(value).value;
}

/// How long the smallest statement takes, in milliseconds.
double statement_latency_ms(pg::Spi& spi) {
  static pg::Prepared statement("SELECT 1", {});
  instr_time begin;
  INSTR_TIME_SET_CURRENT(begin);
  statement.query(spi);
  instr_time duration;
  INSTR_TIME_SET_CURRENT(duration);
  INSTR_TIME_SUBTRACT(duration, begin);
  return INSTR_TIME_GET_MILLISEC(duration);
}

struct Surroundings {
  std::string version;
  std::int64_t connections;
  std::string worker_state;
};

Surroundings surroundings(pg::Spi& spi) {
  static pg::Prepared statement(
      "SELECT (SELECT extversion FROM pg_extension WHERE extname = 'monitoring'),"
      " (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
      "  AND backend_type = 'client backend'),"
      " coalesce((SELECT state FROM monitoring.worker_status"
      "  WHERE database = current_database() AND role = 'worker' LIMIT 1), 'absent')",
      {});
  const pg::Rows rows = statement.query(spi);
  return {*rows.text(0, 1), *rows.int8(0, 2), *rows.text(0, 3)};
}

/// A share of the machine, whole; negative where it is not known.
std::int32_t whole(const std::optional<double>& value) {
  return value ? static_cast<std::int32_t>(std::lround(*value)) : -1;
}

Json json_of_share(std::int32_t value) {
  return value < 0 ? Json(nullptr) : Json(value);
}

/// What this database's worker has found last; CPUs are measured from one look to the next.
std::int32_t last_cpu_percent() {
  if (!shmem::slots_available()) return -1;
  for (const shmem::WorkerSlot& slot : shmem::all_slots()) {
    const bool is_ours = slot.role == shmem::Role::worker && slot.database == MyDatabaseId;
    if (is_ours && slot.health.checked_at != 0) return slot.health.cpu_percent;
  }
  return -1;
}

shmem::ServiceState state_of(const probes::ProbedService& service) {
  if (!service.success) return shmem::ServiceState::unknown;
  return *service.success ? shmem::ServiceState::connected : shmem::ServiceState::disconnected;
}

void note_services(const std::vector<probes::ProbedService>& probed, shmem::HealthNote* note) {
  for (const probes::ProbedService& service : probed) {
    if (note->service_count == shmem::kMostServices) return;
    shmem::ServiceNote& place = note->services[note->service_count++];
    strlcpy(place.name, service.name.c_str(), sizeof place.name);
    place.state = state_of(service);
    place.latency_ms = service.duration_ms.value_or(0);
  }
}

/// Leaves the result where the HTTP server finds it, who does not ask a database anything.
void publish(pg::Spi& spi, const health::SystemHealth& health,
             const std::vector<probes::ProbedService>& probed, double latency_ms) {
  if (!shmem::slots_available()) return;
  std::string reasons;
  for (const health::Verdict* verdict :
       {&health.queues.verdict, &health.processing.verdict, &health.workers.verdict}) {
    for (const std::string& reason : verdict->reasons) {
      reasons += (reasons.empty() ? "" : ",") + reason;
    }
  }
  shmem::HealthNote note{};
  note.checked_at = pg::timestamptz_of(health.timestamp);
  note.checked_us = shmem::steady_now();
  note.longest_pause = health::longest_pause(health::read_health_thresholds(spi)).count();
  note.pending_messages = health.queues.pending_messages;
  note.latency_ms = latency_ms;
  const collect::HostUse use = collect::host_use(health.timestamp);
  note.memory_mb = whole(use.memory_mb);
  note.cpu_percent = whole(use.cpu_percent);
  note.overall = health.overall();
  note.queues = health.queues.verdict.status;
  note.processing = health.processing.verdict.status;
  note.workers = health.workers.verdict.status;
  strlcpy(note.reasons, reasons.c_str(), sizeof note.reasons);
  note_services(probed, &note);
  shmem::note_health(MyDatabaseId, note);
}

/// What keeps this database from being worked on; a duty that fails, or too few processes to go
/// round, do not.
std::vector<std::string> obstacles(pg::Spi& spi) {
  std::vector<std::string> names;
  const auto thresholds = health::read_health_thresholds(spi);
  for (const HealthFinding& finding :
       health::find_process_faults(spi, now(), health::Asker::anybody, thresholds)) {
    const bool works_on = finding.check.name == health_checks::kDutyFailing.name ||
                          finding.check.name == health_checks::kTooFewProcesses.name;
    const std::string name(finding.check.name);
    if (!works_on && std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(name);
    }
  }
  return names;
}

bool is_active(pg::Spi& spi) {
  static pg::Prepared statement("SELECT monitoring_internal.is_active()", {});
  return *statement.query(spi).boolean(0, 1);
}

Json json_of(const probes::ProbedService& service) {
  if (!service.success) return {{"status", "unknown"}, {"latency_ms", nullptr}};
  if (*service.success) return {{"status", "connected"}, {"latency_ms", *service.duration_ms}};
  return {{"status", "disconnected"},
          {"latency_ms", *service.duration_ms},
          {"error", service.error.value_or("")}};
}

/// What is probed, and our own, which win where a probe has such a name.
Json services(const std::vector<probes::ProbedService>& probed, const health::SystemHealth& health,
              const Surroundings& around, double latency_ms) {
  Json all = {{"database", {{"status", "connected"}, {"latency_ms", latency_ms}}},
              {"worker", {{"status", around.worker_state}}},
              {"queues", {{"status", status_text(health.queues.verdict.status)}}},
              {"processing", {{"status", status_text(health.processing.verdict.status)}}}};
  for (const probes::ProbedService& service : probed) {
    if (!all.contains(service.name)) all[service.name] = json_of(service);
  }
  return all;
}

/// A service that does not answer is a warning; what is critical is an alert's to say.
HealthStatus overall(const std::vector<probes::ProbedService>& probed,
                     const health::SystemHealth& health) {
  const bool one_is_down = std::any_of(
      probed.begin(), probed.end(),
      [](const probes::ProbedService& service) { return !service.success.value_or(true); });
  return std::max(health.overall(), one_is_down ? HealthStatus::warning : HealthStatus::healthy);
}

}  // namespace

/// public.get_system_health() -> jsonb
MONITORING_FUNCTION(monitoring_get_system_health) {
  std::string json;
  {
    pg::Spi spi;
    json = health::health_json(health::system_health(spi, now()));
  }
  return jsonb_datum(json);
}

/// monitoring_internal.check_health() -> text
MONITORING_FUNCTION(monitoring_check_health) {
  HealthStatus status;
  {
    pg::Spi spi;
    const health::SystemHealth health = health::check_health(spi, now());
    const auto probed = probes::probed_services(spi, health.timestamp);
    publish(spi, health, probed, statement_latency_ms(spi));
    status = health.overall();
  }
  return text_datum(status_text(status));
}

/// monitoring.health_check() -> jsonb, in the shape of document 004's /health
MONITORING_FUNCTION(monitoring_health_check) {
  Json json;
  {
    pg::Spi spi;
    const health::SystemHealth health = health::system_health(spi, now());
    const double latency_ms = statement_latency_ms(spi);
    const Surroundings around = surroundings(spi);
    const auto probed = probes::probed_services(spi, health.timestamp);
    const double uptime_s =
        std::chrono::duration<double>(health.timestamp - pg::instant_of(PgStartTime)).count();
    json = {
        {"status", status_text(overall(probed, health))},
        {"timestamp", rfc3339(health.timestamp)},
        {"uptime", static_cast<std::int64_t>(uptime_s)},
        {"version", around.version},
        {"services", services(probed, health, around, latency_ms)},
        {"metrics",
         {{"active_connections", around.connections},
          {"job_queue_size", health.queues.pending_messages},
          {"memory_usage_mb", json_of_share(whole(collect::host_use(health.timestamp).memory_mb))},
          {"cpu_usage_percent", json_of_share(last_cpu_percent())}}}};
  }
  return jsonb_datum(json.dump());
}

/// monitoring.liveness() -> jsonb: this server answers. It looks at no table.
MONITORING_FUNCTION(monitoring_liveness) {
  return jsonb_datum(Json{{"status", "alive"}, {"timestamp", rfc3339(now())}}.dump());
}

/// monitoring.readiness() -> jsonb: whether measurements can be written and worked on here.
MONITORING_FUNCTION(monitoring_readiness) {
  const bool in_recovery = pg::call([] { return RecoveryInProgress(); });
  std::vector<std::string> reasons;
  {
    pg::Spi spi;
    if (!in_recovery) reasons = obstacles(spi);
    const bool is_told = std::count(reasons.begin(), reasons.end(), "inactive") > 0;
    if (!is_told && !is_active(spi)) reasons.emplace_back("inactive");
  }
  if (in_recovery) reasons.insert(reasons.begin(), "in_recovery");
  return jsonb_datum(Json{
      {"status", reasons.empty() ? "ready" : "not_ready"},
      {"reasons", reasons},
      {"timestamp",
       rfc3339(now())}}.dump());
}

/// Trigger INSTEAD OF INSERT on public.system_metrics: the row is a measurement.
MONITORING_FUNCTION(monitoring_insert_system_metric) {
  const pg::TriggerCall row(
      fcinfo, {"insert_system_metric", pg::TriggerTime::instead_of, pg::kOnInsert, 0});
  pg::Spi spi;
  spi.execute(
      "INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, \"timestamp\")"
      " VALUES ($1, $2, COALESCE($3, '{}'), COALESCE($4, pg_catalog.now()))",
      {row.value("metric_name", TEXTOID), row.value("metric_value", FLOAT8OID),
       row.value("tags", JSONBOID), row.value("recorded_at", TIMESTAMPTZOID)});
  return row.result();
}
