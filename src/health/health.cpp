#include "monitoring/health/health.hpp"

#include "monitoring/base/json.hpp"
#include "monitoring/pg/prepared.hpp"
#include "monitoring/pg/settings.hpp"

extern "C" {
#include <catalog/pg_type.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <cstdio>
#include <utility>

#include "monitoring/base/rfc3339.hpp"

namespace monitoring::health {

namespace {

namespace checks = health_checks;

/// What has not given a sign for so many of its intervals is stale.
constexpr int kStaleIntervals = 3;
constexpr Duration kProcessingWindow = std::chrono::hours(1);

/// A check that exceeds its threshold is a reason for its own status.
void judge(const HealthThresholds& thresholds, const HealthCheck& check,
           std::optional<double> value, Verdict* verdict) {
  const auto found = thresholds.find(check.name);
  if (!value || found == thresholds.end()) return;
  const HealthStatus status = found->second.of(*value);
  char number[32];
  std::snprintf(number, sizeof number, "%.6g", *value);
  verdict->raise({check, status, std::string(check.name) + " is " + number});
}

QueueHealth queue_health(pg::Spi& spi, Instant now, const HealthThresholds& thresholds) {
  static pg::Prepared statement(
      "SELECT count(*), count(*) FILTER (WHERE s.stuck_messages > 0),"
      " coalesce(sum(s.stuck_messages), 0)::int8, coalesce(sum(s.pending_messages), 0)::int8,"
      " max(s.last_check_time), coalesce(bool_or(coalesce(s.last_check_time, q.created_at) < $1),"
      " false)"
      " FROM (SELECT queue_name, created_at FROM monitoring.queues WHERE enabled) q"
      " FULL JOIN monitoring.queue_state s USING (queue_name)",
      {TIMESTAMPTZOID});
  const Duration silence =
      kStaleIntervals * std::chrono::seconds(pg::settings().queue_check_interval_s);
  const pg::Rows rows = statement.query(spi, {pg::timestamptz(now - silence)});
  QueueHealth health;
  health.checked = *rows.int8(0, 1);
  health.with_issues = *rows.int8(0, 2);
  health.stuck_messages = *rows.int8(0, 3);
  health.pending_messages = *rows.int8(0, 4);
  health.last_check_time = rows.timestamptz(0, 5);
  judge(thresholds, checks::kStuckMessages, static_cast<double>(health.stuck_messages),
        &health.verdict);
  if (*rows.boolean(0, 6)) {
    health.verdict.raise({checks::kStale, HealthStatus::warning,
                          "queues have not been checked for three intervals"});
  }
  return health;
}

/// Over the newest measurements of each of the two metrics, from the index on name and time. A
/// bounded number: the cost does not grow with the load. Tags are the user's, so what is no count
/// counts as nothing.
pg::Rows recent_operations(pg::Spi& spi, Instant now) {
  static pg::Prepared statement(
      "SELECT count(*),"
      " (count(*) FILTER (WHERE success = 'true')"
      "  + coalesce(sum(least(succeeded, 1000000000000)) FILTER (WHERE succeeded > 0), 0))::int8,"
      " (count(*) FILTER (WHERE success = 'false')"
      "  + coalesce(sum(least(failed, 1000000000000)) FILTER (WHERE failed > 0), 0))::int8,"
      " percentile_cont(0.95) WITHIN GROUP (ORDER BY metric_value)"
      "  FILTER (WHERE metric_value > '-infinity' AND metric_value < 'infinity'),"
      " max(\"timestamp\")"
      " FROM ((SELECT metric_value, \"timestamp\", NULL AS success,"
      "  monitoring_internal.integer_tag(tags, 'success_count') AS succeeded,"
      "  monitoring_internal.integer_tag(tags, 'error_count') AS failed"
      "  FROM monitoring.pipeline_metrics WHERE metric_name = 'queue_processing'"
      "  AND \"timestamp\" > $1 AND \"timestamp\" <= $2 ORDER BY \"timestamp\" DESC LIMIT 250)"
      " UNION ALL"
      " (SELECT metric_value, \"timestamp\", tags ->> 'success', NULL, NULL"
      "  FROM monitoring.pipeline_metrics WHERE metric_name = 'api_call'"
      "  AND \"timestamp\" > $1 AND \"timestamp\" <= $2 ORDER BY \"timestamp\" DESC LIMIT 250))"
      " AS operations",
      {TIMESTAMPTZOID, TIMESTAMPTZOID});
  return statement.query(spi, {pg::timestamptz(now - kProcessingWindow), pg::timestamptz(now)});
}

/// Looks into the index of every partition since then.
std::optional<Instant> last_operation(pg::Spi& spi, Instant since, Instant now) {
  static pg::Prepared statement(
      "SELECT max(last) FROM (VALUES ('queue_processing'), ('api_call')) AS m(name), LATERAL"
      " (SELECT \"timestamp\" AS last FROM monitoring.pipeline_metrics"
      " WHERE metric_name = m.name AND \"timestamp\" >= $1 AND \"timestamp\" <= $2"
      " ORDER BY \"timestamp\" DESC LIMIT 1) AS newest",
      {TIMESTAMPTZOID, TIMESTAMPTZOID});
  return statement.query(spi, {pg::timestamptz(since), pg::timestamptz(now)}).timestamptz(0, 1);
}

/// Asked only when the window is empty. Most systems have done something since yesterday.
std::optional<Instant> last_operation(pg::Spi& spi, Instant now) {
  const auto recent = last_operation(spi, now - std::chrono::hours(24), now);
  return recent ? recent : last_operation(spi, Instant::min(), now);
}

ProcessingHealth processing_health(pg::Spi& spi, Instant now, const HealthThresholds& thresholds) {
  const pg::Rows rows = recent_operations(spi, now);
  const std::int64_t succeeded = *rows.int8(0, 2);
  const std::int64_t failed = *rows.int8(0, 3);
  ProcessingHealth health;
  health.measurements = *rows.int8(0, 1);
  health.p95_ms = rows.float8(0, 4);
  health.last_measurement_time = rows.timestamptz(0, 5);
  if (const std::int64_t all = succeeded + failed; all > 0) {
    health.error_rate = static_cast<double>(failed) / static_cast<double>(all);
  }
  if (health.measurements == 0) health.last_measurement_time = last_operation(spi, now);
  judge(thresholds, checks::kErrorRate, health.error_rate, &health.verdict);
  judge(thresholds, checks::kP95, health.p95_ms, &health.verdict);
  return health;
}

/// Whether the monitoring worker, after it has run here, has been silent since $1, and whether this
/// database is a copy that nobody has activated.
void judge_monitoring_worker(pg::Spi& spi, Instant now, Asker asker, Verdict* verdict) {
  // The second is monitoring_internal.is_active(); as a call it would cost as much as all the rest
  // here.
  static pg::Prepared statement(
      "SELECT coalesce((SELECT checked_at < $1 FROM monitoring.health_state), false),"
      " EXISTS (SELECT FROM monitoring.instance WHERE database_oid = $2"
      "  AND relation_oid = 'monitoring.instance'::regclass)",
      {TIMESTAMPTZOID, OIDOID});
  const Duration silence =
      kStaleIntervals * std::chrono::seconds(pg::settings().health_check_interval_s);
  const pg::Rows rows = statement.query(
      spi, {pg::timestamptz(now - silence), pg::datum(OIDOID, ObjectIdGetDatum(MyDatabaseId))});
  if (asker == Asker::anybody && *rows.boolean(0, 1)) {
    verdict->raise({checks::kStale, HealthStatus::warning,
                    "health has not been looked at for three intervals"});
  }
  if (!*rows.boolean(0, 2)) {
    verdict->raise({checks::kInactive, HealthStatus::warning,
                    "this database is a copy, and was not activated"});
  }
}

/// Some of them, the newest first.
std::string newest_issues(pg::Spi& spi, const std::string& condition) {
  const std::string sql =
      "SELECT string_agg(i.text, '; ') FROM (SELECT left(worker_name || ': ' || coalesce(message,"
      " issue_type), 200) AS text FROM monitoring.worker_issues WHERE resolved IS NOT TRUE AND " +
      condition + " ORDER BY created_at DESC, id LIMIT 3) AS i";
  return spi.query(sql.c_str()).text(0, 1).value_or("");
}

WorkerHealth worker_health(pg::Spi& spi, Instant now, Asker asker,
                           const HealthThresholds& thresholds) {
  // Any severity that is neither information nor critical is a warning: the table takes any text.
  static pg::Prepared statement(
      "SELECT h.workers, h.stale, i.open, i.critical, i.warnings FROM"
      " (SELECT count(*) AS workers, count(*) FILTER (WHERE last_seen_at < $1 - $2 * "
      "expected_every)"
      "  AS stale FROM monitoring.worker_heartbeats) h,"
      " (SELECT count(*) AS open, count(*) FILTER (WHERE severity = 'critical') AS critical,"
      "  count(*) FILTER (WHERE severity NOT IN ('info', 'critical')) AS warnings"
      "  FROM monitoring.worker_issues WHERE resolved IS NOT TRUE) i",
      {TIMESTAMPTZOID, INT4OID});
  const pg::Rows rows = statement.query(spi, {pg::timestamptz(now), pg::int4(kStaleIntervals)});
  WorkerHealth health;
  health.workers = *rows.int8(0, 1);
  health.stale_workers = *rows.int8(0, 2);
  health.open_issues = *rows.int8(0, 3);
  health.critical_issues = *rows.int8(0, 4);
  if (health.critical_issues > 0) {
    health.verdict.raise({checks::kCriticalIssues, HealthStatus::critical,
                          newest_issues(spi, "severity = 'critical'")});
  }
  if (*rows.int8(0, 5) > 0) {
    health.verdict.raise({checks::kOpenIssues, HealthStatus::warning,
                          newest_issues(spi, "severity NOT IN ('info', 'critical')")});
  }
  judge(thresholds, checks::kStaleWorkers, static_cast<double>(health.stale_workers),
        &health.verdict);
  if (health.stale_workers > 0) {
    health.verdict.raise({checks::kStale, HealthStatus::warning,
                          std::to_string(health.stale_workers) +
                              " workers have given no sign of life for three intervals"});
  }
  judge_monitoring_worker(spi, now, asker, &health.verdict);
  for (HealthFinding& finding : find_faults(spi, now, asker, thresholds)) {
    health.verdict.raise(std::move(finding));
  }
  return health;
}

Json json_of(const std::optional<Instant>& instant) {
  return instant ? Json(rfc3339(*instant)) : Json(nullptr);
}

Json json_of(const std::optional<double>& value) {
  return value ? Json(*value) : Json(nullptr);
}

}  // namespace

void Verdict::raise(HealthFinding finding) {
  if (finding.status == HealthStatus::healthy) return;
  status = std::max(status, finding.status);
  if (std::find(reasons.begin(), reasons.end(), finding.check.name) == reasons.end()) {
    reasons.emplace_back(finding.check.name);
  }
  findings.push_back(std::move(finding));
}

HealthStatus SystemHealth::overall() const {
  return std::max({queues.verdict.status, processing.verdict.status, workers.verdict.status});
}

SystemHealth system_health(pg::Spi& spi, Instant now, Asker asker) {
  const HealthThresholds thresholds = read_health_thresholds(spi);
  SystemHealth health;
  health.timestamp = now;
  health.queues = queue_health(spi, now, thresholds);
  health.processing = processing_health(spi, now, thresholds);
  health.workers = worker_health(spi, now, asker, thresholds);
  return health;
}

namespace {

Json findings_json(const SystemHealth& health) {
  Json findings = Json::array();
  const auto add = [&](const char* part, const Verdict& verdict) {
    for (const HealthFinding& finding : verdict.findings) {
      findings.push_back({{"check_name", finding.check.name},
                          {"part", part},
                          {"severity", status_text(finding.status)},
                          {"reason", finding.reason},
                          {"what_to_do", finding.check.hint}});
    }
  };
  add("queue_health", health.queues.verdict);
  add("processing_health", health.processing.verdict);
  add("worker_health", health.workers.verdict);
  return findings;
}

}  // namespace

std::string health_json(const SystemHealth& health) {
  const QueueHealth& queues = health.queues;
  const ProcessingHealth& processing = health.processing;
  const WorkerHealth& workers = health.workers;
  return Json{{"timestamp", rfc3339(health.timestamp)},
              {"overall_status", status_text(health.overall())},
              {"queue_health",
               {{"status", status_text(queues.verdict.status)},
                {"reasons", queues.verdict.reasons},
                {"queues_checked", queues.checked},
                {"queues_with_issues", queues.with_issues},
                {"total_stuck_messages", queues.stuck_messages},
                {"last_check_time", json_of(queues.last_check_time)}}},
              {"processing_health",
               {{"status", status_text(processing.verdict.status)},
                {"reasons", processing.verdict.reasons},
                {"measurements", processing.measurements},
                {"error_rate", json_of(processing.error_rate)},
                {"p95_ms", json_of(processing.p95_ms)},
                {"last_measurement_time", json_of(processing.last_measurement_time)}}},
              {"worker_health",
               {{"status", status_text(workers.verdict.status)},
                {"reasons", workers.verdict.reasons},
                {"workers", workers.workers},
                {"stale_workers", workers.stale_workers},
                {"open_issues", workers.open_issues},
                {"critical_issues", workers.critical_issues}}},
              {"findings", findings_json(health)}}
      .dump();
}

}  // namespace monitoring::health
