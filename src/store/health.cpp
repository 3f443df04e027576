#include "monitoring/store/health.hpp"

#include "monitoring/pg/prepared.hpp"
#include "monitoring/pg/settings.hpp"
#include "monitoring/store/secrets.hpp"

extern "C" {
#include <catalog/pg_type.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "monitoring/base/rfc3339.hpp"

namespace monitoring::store {

namespace {

/// What has not given a sign for so many of its intervals is stale.
constexpr int kStaleIntervals = 3;
constexpr Duration kProcessingWindow = std::chrono::hours(1);

struct Threshold {
  std::optional<double> warning;
  std::optional<double> critical;
  /// The warning level itself is a warning already.
  bool inclusive = false;

  HealthStatus of(double value) const {
    if (critical && value > *critical) return HealthStatus::critical;
    if (warning && (inclusive ? value >= *warning : value > *warning)) return HealthStatus::warning;
    return HealthStatus::healthy;
  }
};

using Thresholds = std::map<std::string, Threshold, std::less<>>;

Thresholds read_thresholds(pg::Spi& spi) {
  static pg::Prepared statement(
      "SELECT check_name, warning, critical, inclusive FROM monitoring.effective_health_thresholds"
      " WHERE check_name IN ('stuck_messages', 'error_rate', 'p95_ms', 'stale_workers')",
      {});
  const pg::Rows rows = statement.query(spi);
  Thresholds thresholds;
  for (std::uint64_t i = 0; i < rows.size(); ++i) {
    thresholds[*rows.text(i, 1)] = {rows.float8(i, 2), rows.float8(i, 3), *rows.boolean(i, 4)};
  }
  return thresholds;
}

/// A check that exceeds its threshold is a reason for its own status.
void judge(const Thresholds& thresholds, std::string_view check_name, std::optional<double> value,
           Verdict* verdict) {
  const auto found = thresholds.find(check_name);
  if (!value || found == thresholds.end()) return;
  verdict->raise(found->second.of(*value), check_name);
}

QueueHealth queue_health(pg::Spi& spi, Instant now, const Thresholds& thresholds) {
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
  judge(thresholds, "stuck_messages", static_cast<double>(health.stuck_messages), &health.verdict);
  if (*rows.boolean(0, 6)) health.verdict.raise(HealthStatus::warning, "stale");
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
      "  monitoring._integer_tag(tags, 'success_count') AS succeeded,"
      "  monitoring._integer_tag(tags, 'error_count') AS failed"
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

ProcessingHealth processing_health(pg::Spi& spi, Instant now, const Thresholds& thresholds) {
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
  judge(thresholds, "error_rate", health.error_rate, &health.verdict);
  judge(thresholds, "p95_ms", health.p95_ms, &health.verdict);
  return health;
}

/// Whether the monitoring worker, after it has run here, has been silent since $1, and whether this
/// database is a copy that nobody has activated.
void judge_monitoring_worker(pg::Spi& spi, Instant now, Asker asker, Verdict* verdict) {
  // The second is monitoring._is_active(); as a call it would cost as much as all the rest here.
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
    verdict->raise(HealthStatus::warning, "stale");
  }
  if (!*rows.boolean(0, 2)) verdict->raise(HealthStatus::warning, "inactive");
}

/// A receiver that names a secret which is not there will not be told of anything. A dump holds no
/// secrets, so every restored copy begins like this.
void judge_receivers(pg::Spi& spi, Verdict* verdict) {
  static pg::Prepared statement(
      "SELECT DISTINCT named.secret #>> '{}', EXISTS (SELECT FROM monitoring.secrets s"
      "  WHERE s.secret_name = named.secret #>> '{}') FROM monitoring.receivers r, LATERAL"
      " jsonb_path_query(r.settings, '$.**.secret ? (@.type() == \"string\")') AS named(secret)"
      " WHERE r.enabled AND NOT EXISTS (SELECT FROM monitoring.secrets s"
      "  WHERE s.secret_name = named.secret #>> '{}' AND NOT s.in_vault)",
      {});
  const pg::Rows rows = statement.query(spi);
  std::vector<std::string> released;
  bool is_missing = false;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    if (!*rows.boolean(row, 2)) is_missing = true;
    released.push_back(*rows.text(row, 1));
  }
  if (released.empty()) return;
  if (is_missing || !vault_has_all(spi, released)) {
    verdict->raise(HealthStatus::warning, "missing_secret");
  }
}

WorkerHealth worker_health(pg::Spi& spi, Instant now, Asker asker, const Thresholds& thresholds) {
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
  if (health.critical_issues > 0) health.verdict.raise(HealthStatus::critical, "critical_issues");
  if (*rows.int8(0, 5) > 0) health.verdict.raise(HealthStatus::warning, "open_issues");
  judge(thresholds, "stale_workers", static_cast<double>(health.stale_workers), &health.verdict);
  if (health.stale_workers > 0) health.verdict.raise(HealthStatus::warning, "stale");
  judge_monitoring_worker(spi, now, asker, &health.verdict);
  judge_receivers(spi, &health.verdict);
  return health;
}

using Json = nlohmann::ordered_json;

Json json_of(const std::optional<Instant>& instant) {
  return instant ? Json(rfc3339(*instant)) : Json(nullptr);
}

Json json_of(const std::optional<double>& value) {
  return value ? Json(*value) : Json(nullptr);
}

}  // namespace

void Verdict::raise(HealthStatus to, std::string_view reason) {
  if (to == HealthStatus::healthy) return;
  status = std::max(status, to);
  if (std::find(reasons.begin(), reasons.end(), reason) == reasons.end()) {
    reasons.emplace_back(reason);
  }
}

HealthStatus SystemHealth::overall() const {
  return std::max({queues.verdict.status, processing.verdict.status, workers.verdict.status});
}

SystemHealth system_health(pg::Spi& spi, Instant now, Asker asker) {
  const Thresholds thresholds = read_thresholds(spi);
  SystemHealth health;
  health.timestamp = now;
  health.queues = queue_health(spi, now, thresholds);
  health.processing = processing_health(spi, now, thresholds);
  health.workers = worker_health(spi, now, asker, thresholds);
  return health;
}

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
                {"critical_issues", workers.critical_issues}}}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace monitoring::store
