#include "monitoring/health/checks.hpp"

#include "monitoring/collect/collectors.hpp"
#include "monitoring/outbox/secrets.hpp"
#include "monitoring/pg/prepared.hpp"
#include "monitoring/pg/settings.hpp"
#include "monitoring/shmem/process_checks.hpp"
#include "monitoring/shmem/record_ring.hpp"
#include "monitoring/shmem/registry_exposition.hpp"

extern "C" {
#include <access/xlog.h>
#include <catalog/pg_type.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <cmath>

namespace monitoring::health {

namespace {

namespace checks = health_checks;

/// What has not given a sign for so many of its intervals is stale.
constexpr int kStaleIntervals = 3;
/// So many names are told; the number is told anyway.
constexpr std::size_t kMostNames = 5;

std::string whole(double value) {
  return std::to_string(static_cast<std::int64_t>(std::llround(value)));
}

/// "a", "b" and 3 more.
std::string quoted_list(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kMostNames); ++i) {
    text += (i == 0 ? "\"" : ", \"") + names[i] + "\"";
  }
  if (names.size() > kMostNames)
    text += " and " + std::to_string(names.size() - kMostNames) + " more";
  return text;
}

std::vector<std::string> first_column(const pg::Rows& rows) {
  std::vector<std::string> values;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    values.push_back(rows.text(row, 1).value_or(""));
  }
  return values;
}

class FaultFinder {
 public:
  FaultFinder(pg::Spi& spi, Instant now, Asker asker, const HealthThresholds& thresholds)
      : spi_(spi), now_(now), asker_(asker), thresholds_(thresholds) {}

  HealthFindings of_processes() {
    check_processes();
    return std::move(found_);
  }

  HealthFindings run() {
    if (pg::call([] { return RecoveryInProgress(); })) return {};
    check_processes();
    check_clock();
    check_ring();
    check_replication();
    check_collectors();
    check_probes();
    check_owners();
    check_metric_names();
    check_secrets();
    check_receivers();
    check_alerts();
    return std::move(found_);
  }

 private:
  void check_processes();
  void check_clock();
  void check_ring();
  void check_replication();
  void check_collectors();
  void check_probes();
  void check_owners();
  void check_metric_names();
  void check_secrets();
  void check_receivers();
  void check_alerts();

  void warn(const HealthCheck& check, std::string reason) {
    found_.push_back({check, HealthStatus::warning, std::move(reason)});
  }
  void judge(const HealthCheck& check, std::string_view threshold, double value,
             std::string reason) {
    const auto found = thresholds_.find(threshold);
    if (found == thresholds_.end()) return;
    const HealthStatus status = found->second.of(value);
    if (status != HealthStatus::healthy) found_.push_back({check, status, std::move(reason)});
  }
  /// The warning level; nullopt: the check is switched off.
  std::optional<double> level_of(std::string_view threshold) const {
    const auto found = thresholds_.find(threshold);
    return found == thresholds_.end() ? std::nullopt : found->second.warning;
  }

  pg::Spi& spi_;
  const Instant now_;
  const Asker asker_;
  const HealthThresholds& thresholds_;
  HealthFindings found_;
};

void FaultFinder::check_processes() {
  if (!shmem::slots_available()) {
    return warn(checks::kNotPreloaded, "monitoring is not in shared_preload_libraries");
  }
  static pg::Prepared activated(
      "SELECT max(activated_at) FROM monitoring.instance WHERE database_oid = $1", {OIDOID});
  const auto since =
      activated.query(spi_, {pg::datum(OIDOID, ObjectIdGetDatum(MyDatabaseId))}).timestamptz(0, 1);
  const Instant expected = std::max(pg::instant_of(PgStartTime), since.value_or(Instant{}));
  const auto micros = [](Duration duration) {
    return static_cast<shmem::SteadyUs>(duration.count());
  };
  shmem::ProcessTerms terms{};
  terms.now = shmem::steady_now();
  terms.patience =
      micros(kStaleIntervals * std::chrono::seconds(pg::settings().health_check_interval_s));
  terms.longest_pause = micros(longest_pause(thresholds_));
  terms.expected_since = terms.now - micros(std::max(now_ - expected, Duration::zero()));
  terms.asked_by_worker = asker_ == Asker::monitoring_worker;
  for (HealthFinding& finding : shmem::check_processes(shmem::all_slots(), MyDatabaseId, terms)) {
    found_.push_back(std::move(finding));
  }
}

/// What was written at a later time than now: the clock was set back, or alerts were evaluated
/// ahead of it.
void FaultFinder::check_clock() {
  static pg::Prepared newest(
      "SELECT extract(epoch FROM least(greatest('1970-01-01', (SELECT last_evaluated_at FROM "
      "monitoring_internal.alert_progress),"
      " (SELECT checked_at FROM monitoring.health_state)), '9000-01-01') - $1)::float8",
      {TIMESTAMPTZOID});
  const auto ahead_s = newest.query(spi_, {pg::timestamptz(now_)}).float8(0, 1);
  if (!ahead_s) return;
  judge(checks::kClockBehind, "clock_behind_seconds", *ahead_s,
        "the clock is " + whole(*ahead_s) +
            " s behind the last evaluation of alerts or check of health");
}

void FaultFinder::check_ring() {
  if (!shmem::ring_available()) return;
  static pg::Prepared noted(
      "SELECT coalesce(dropped_records, 0), extract(epoch FROM $1"
      "  - least(greatest(dropped_at, '1970-01-01'), '9000-01-01'))::float8"
      " FROM monitoring.health_state WHERE dropped_records IS NOT NULL",
      {TIMESTAMPTZOID});
  const pg::Rows rows = noted.query(spi_, {pg::timestamptz(now_)});
  if (rows.empty()) return;
  const auto dropped = static_cast<std::int64_t>(shmem::ring_status().counters.dropped);
  const auto age_s = rows.float8(0, 2);
  const auto remembered = level_of("dropped_records_seconds");
  const bool drops_now = dropped > *rows.int8(0, 1);
  if (!remembered || !(drops_now || (age_s && *age_s < *remembered))) return;
  warn(checks::kDroppedRecords, "the record ring was full and has dropped measurements: " +
                                    std::to_string(dropped) + " in all");
}

void FaultFinder::check_replication() {
  static pg::Prepared waiting(
      "SELECT count(*), max(extract(epoch FROM clock_timestamp() - a.query_start))::float8"
      " FROM pg_stat_activity a WHERE a.wait_event = 'SyncRep'",
      {});
  const pg::Rows rows = waiting.query(spi_);
  const auto longest_s = rows.float8(0, 2);
  if (!longest_s) return;
  judge(checks::kReplicationWait, "replication_wait_seconds", *longest_s,
        std::to_string(*rows.int8(0, 1)) + " sessions wait for a synchronous standby, for up to " +
            whole(*longest_s) + " s");
}

/// A collector that has no time yet, waits for its stretched interval or backs off is not late.
void FaultFinder::check_collectors() {
  static pg::Prepared late(
      "SELECT c.collector_name FROM monitoring.collectors c WHERE c.enabled"
      " AND coalesce(c.next_run_at, least(c.created_at, '9000-01-01') + interval '10 seconds')"
      "  < $1 - 3 * least(greatest(c.every, interval '20 seconds'), interval '100 years')"
      " AND (c.scope = 'database'"
      "  OR NOT hashtextextended(c.collector_name COLLATE \"C\", 0) = ANY ($2))"
      " AND EXISTS (SELECT FROM monitoring.instance i WHERE i.database_oid = $3"
      "  AND i.activated_at < $1 - interval '1 minute')",
      {TIMESTAMPTZOID, INT8ARRAYOID, OIDOID});
  if (!shmem::slots_available()) return;
  const auto names = first_column(
      late.query(spi_, {pg::timestamptz(now_), pg::int8_array(collect::run_elsewhere()),
                        pg::datum(OIDOID, ObjectIdGetDatum(MyDatabaseId))}));
  if (names.empty()) return;
  warn(checks::kCollectorsLate,
       std::to_string(names.size()) +
           " collectors have missed three of their runs: " + quoted_list(names));
}

/// Whatever keeps the courier from them: it says nothing of probes that it does not get.
void FaultFinder::check_probes() {
  static pg::Prepared late(
      "SELECT p.probe_name FROM monitoring.probes p"
      " LEFT JOIN monitoring.probe_state s USING (probe_name) WHERE p.enabled"
      " AND least(coalesce(s.next_probe_at, p.created_at), '9000-01-01') < $1 - p.timeout"
      "  - 3 * least(greatest(p.every, interval '20 seconds'), interval '100 years')"
      " AND EXISTS (SELECT FROM monitoring.instance i WHERE i.database_oid = $2"
      "  AND i.activated_at < $1 - interval '1 minute') ORDER BY 1",
      {TIMESTAMPTZOID, OIDOID});
  if (!shmem::slots_available()) return;
  const auto names = first_column(
      late.query(spi_, {pg::timestamptz(now_), pg::datum(OIDOID, ObjectIdGetDatum(MyDatabaseId))}));
  if (names.empty()) return;
  warn(checks::kProbesLate, std::to_string(names.size()) +
                                " probes have missed three of their turns: " + quoted_list(names));
}

/// Neither the role that a row was given to, nor another one that has its name now.
void FaultFinder::check_owners() {
  static pg::Prepared ownerless(
      "SELECT o.thing || ' ' || o.name || ' of ' || o.owner FROM ("
      " SELECT 'alert rule' AS thing, rule_name AS name, owner, owner_oid"
      "  FROM monitoring.alert_rules WHERE enabled"
      " UNION ALL SELECT 'collector', collector_name, owner, owner_oid"
      "  FROM monitoring.collectors WHERE enabled"
      " UNION ALL SELECT 'queue', queue_name, owner, owner_oid"
      "  FROM monitoring.queues WHERE enabled"
      " UNION ALL SELECT 'pack', pack_name, owner, owner_oid FROM "
      "monitoring_internal.enabled_packs) AS o"
      " WHERE NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = o.owner_oid"
      "  AND r.rolname = o.owner)"
      " ORDER BY 1",
      {});
  const auto names = first_column(ownerless.query(spi_));
  if (names.empty()) return;
  warn(checks::kOwnerGone, "the owner's role was dropped or renamed: " + quoted_list(names));
}

void FaultFinder::check_metric_names() {
  if (!shmem::registry_available()) return;
  std::vector<std::string> names;
  for (const auto& found : shmem::disagreements_of(MyDatabaseId)) {
    const std::string type(metrics::type_name(found.type));
    names.push_back(found.shown_as == found.name ? found.name + " (" + type + ")"
                                                 : found.name + " (as " + found.shown_as + ")");
  }
  if (names.empty()) return;
  warn(checks::kMetricNameConflict,
       "on the page of all databases these metrics cannot keep name and type, because another "
       "database or the extension has the name: " +
           quoted_list(names));
}

void FaultFinder::check_secrets() {
  for (const MissingSecret& secret : missing_secrets(spi_)) {
    warn(checks::kMissingSecret,
         "secret \"" + secret.name + "\" of " + secret.user + " is not set");
  }
}

void FaultFinder::check_receivers() {
  static pg::Prepared missing(
      "SELECT DISTINCT named.receiver FROM (SELECT r.receiver FROM monitoring.routes r"
      " UNION ALL SELECT s.step ->> 'receiver' FROM monitoring.escalations e,"
      "  jsonb_array_elements(CASE jsonb_typeof(e.steps) WHEN 'array' THEN e.steps ELSE '[]' END)"
      "  AS s(step)) AS named"
      " WHERE named.receiver IS NOT NULL AND NOT EXISTS (SELECT FROM monitoring.receivers r"
      "  WHERE r.receiver_name = named.receiver)",
      {});
  const auto names = first_column(missing.query(spi_));
  if (!names.empty()) {
    warn(checks::kMissingReceiver,
         "routes or escalations lead to receivers that do not exist: " + quoted_list(names));
  }
  const auto patience_s = level_of("receiver_failing_seconds");
  if (!patience_s) return;
  static pg::Prepared failing(
      "SELECT DISTINCT ON (n.receiver) n.receiver,"
      " extract(epoch FROM clock_timestamp() - greatest(n.queued_at, '1970-01-01'))::float8, "
      "coalesce(n.last_error, '')"
      " FROM monitoring.receivers r JOIN monitoring.notifications n ON n.receiver = r.receiver_name"
      " WHERE r.enabled AND (n.status IN ('retrying', 'sending') AND n.attempts > 0"
      "  OR n.status = 'queued' AND n.next_attempt_at < clock_timestamp() - make_interval(secs => "
      "$1))"
      " AND n.queued_at < clock_timestamp() - make_interval(secs => $1)"
      " ORDER BY n.receiver, n.queued_at",
      {FLOAT8OID});
  const pg::Rows rows = failing.query(spi_, {pg::float8(*patience_s)});
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    const double since_s = *rows.float8(row, 2);
    const std::string error = *rows.text(row, 3);
    judge(checks::kReceiverFailing, "receiver_failing_seconds", since_s,
          "receiver \"" + *rows.text(row, 1) + "\" has not taken a notification for " +
              whole(since_s) +
              " s: " + (error.empty() ? "nothing has been tried to send it" : error));
  }
}

/// Those that are silenced or inhibited are not told by intent. A critical alert of the monitoring
/// itself (rule 0) has a reason of its own here.
void FaultFinder::check_alerts() {
  static pg::Prepared critical(
      "SELECT a.rule_name FROM monitoring.alerts a WHERE a.state = 'firing'"
      " AND a.severity = 'critical' AND NOT a.silenced AND NOT a.inhibited AND a.rule_id <> 0",
      {});
  const auto names = first_column(critical.query(spi_));
  judge(checks::kFiringCritical, "firing_critical", static_cast<double>(names.size()),
        std::to_string(names.size()) + " critical alerts fire: " + quoted_list(names));

  // Where a group is, somebody is told, if the receiver of its route is there. NOT IN is looked up
  // in a hash, whatever the planner thinks of joins under the settings of health's functions.
  static pg::Prepared unheard(
      "WITH RECURSIVE route AS ("
      "  SELECT id, receiver FROM monitoring.effective_routes WHERE parent IS NULL"
      "  UNION ALL SELECT c.id, coalesce(c.receiver, p.receiver)"
      "  FROM monitoring.effective_routes c JOIN route p ON c.parent = p.id"
      "), heard AS MATERIALIZED ("
      "  SELECT m.fingerprint FROM monitoring.alert_group_members m"
      "  JOIN monitoring.alert_groups g ON g.id = m.group_id JOIN route ON route.id = g.route_id"
      "  JOIN monitoring.receivers r ON r.receiver_name = route.receiver AND r.enabled)"
      " SELECT a.rule_name FROM monitoring.alerts a WHERE a.state = 'firing'"
      " AND NOT a.silenced AND NOT a.inhibited AND a.acknowledged_at IS NULL"
      " AND a.fingerprint NOT IN (SELECT h.fingerprint FROM heard h)",
      {});
  const auto level = level_of("nobody_told");
  if (!level || names.empty()) {
    // The one question that costs something is only asked when something fires.
    static pg::Prepared firing(
        "SELECT EXISTS (SELECT FROM monitoring.alerts a WHERE a.state = 'firing')", {});
    if (!level || !*firing.query(spi_).boolean(0, 1)) return;
  }
  const auto untold = first_column(unheard.query(spi_));
  judge(checks::kNobodyTold, "nobody_told", static_cast<double>(untold.size()),
        std::to_string(untold.size()) + " firing alerts reach no receiver: " + quoted_list(untold));
}

}  // namespace

HealthStatus HealthThreshold::of(double value) const {
  if (critical && value > *critical) return HealthStatus::critical;
  if (warning && (inclusive ? value >= *warning : value > *warning)) return HealthStatus::warning;
  return HealthStatus::healthy;
}

HealthThresholds read_health_thresholds(pg::Spi& spi) {
  static pg::Prepared statement(
      "SELECT check_name, warning, critical, inclusive FROM monitoring.effective_health_thresholds",
      {});
  const pg::Rows rows = statement.query(spi);
  HealthThresholds thresholds;
  for (std::uint64_t i = 0; i < rows.size(); ++i) {
    thresholds[*rows.text(i, 1)] = {rows.float8(i, 2), rows.float8(i, 3), *rows.boolean(i, 4)};
  }
  return thresholds;
}

Duration longest_pause(const HealthThresholds& thresholds) {
  constexpr double kNeverS = 1e12;
  const auto found = thresholds.find("paused_seconds");
  const double level =
      found == thresholds.end() ? kNeverS : found->second.warning.value_or(kNeverS);
  // A level that is not a number is none.
  const double seconds = level < kNeverS ? std::max(level, 0.0) : kNeverS;
  return Duration(static_cast<Duration::rep>(seconds * 1e6));
}

HealthFindings find_process_faults(pg::Spi& spi, Instant now, Asker asker,
                                   const HealthThresholds& thresholds) {
  return FaultFinder(spi, now, asker, thresholds).of_processes();
}

HealthFindings find_faults(pg::Spi& spi, Instant now, Asker asker,
                           const HealthThresholds& thresholds) {
  return FaultFinder(spi, now, asker, thresholds).run();
}

std::vector<MissingSecret> missing_secrets(pg::Spi& spi) {
  static pg::Prepared statement(
      "SELECT named.secret, min(named.by), EXISTS (SELECT FROM monitoring.secrets s"
      "  WHERE s.secret_name = named.secret AND s.in_vault) FROM ("
      " SELECT s #>> '{}' AS secret, 'receiver \"' || r.receiver_name || '\"' AS by"
      " FROM monitoring.receivers r,"
      "  LATERAL jsonb_path_query(r.settings, '$.**.secret ? (@.type() == \"string\")') AS s"
      " WHERE r.enabled"
      " UNION ALL SELECT s #>> '{}', 'probe \"' || p.probe_name || '\"'"
      " FROM monitoring.probes p,"
      "  LATERAL jsonb_path_query(p.headers, '$.**.secret ? (@.type() == \"string\")') AS s"
      " WHERE p.enabled) AS named"
      " WHERE NOT EXISTS (SELECT FROM monitoring.secrets s WHERE s.secret_name = named.secret"
      "  AND NOT s.in_vault)"
      " GROUP BY 1",
      {});
  const pg::Rows rows = statement.query(spi);
  std::vector<MissingSecret> missing;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    const std::string name = *rows.text(row, 1);
    const bool is_in_vault = *rows.boolean(row, 3) && outbox::vault_has_all(spi, {name});
    if (!is_in_vault) missing.push_back({name, *rows.text(row, 2)});
  }
  std::sort(missing.begin(), missing.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return missing;
}

void note_dropped_records(pg::Spi& spi, Instant now) {
  if (!shmem::ring_available()) return;
  const auto dropped = static_cast<std::int64_t>(shmem::ring_status().counters.dropped);
  static pg::Prepared statement(
      "UPDATE monitoring.health_state SET dropped_at = CASE WHEN dropped_records < $1 THEN $2"
      "  ELSE dropped_at END, dropped_records = $1 WHERE dropped_records IS DISTINCT FROM $1",
      {INT8OID, TIMESTAMPTZOID});
  statement.execute(spi, {pg::int8(dropped), pg::timestamptz(now)});
}

}  // namespace monitoring::health
