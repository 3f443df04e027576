#include "worker/self_metrics.hpp"

#include "monitoring/pg/prepared.hpp"

extern "C" {
#include <catalog/pg_type.h>
#include <sys/resource.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <chrono>
#include <memory>
#include <set>
#include <string>

#include "monitoring/collect/cost.hpp"
#include "monitoring/shmem/registry.hpp"

namespace monitoring::worker {

namespace {

using metrics::MetricSpec;
using metrics::MetricType;

constexpr Duration kEvery = std::chrono::seconds(15);

constexpr MetricSpec kCpu = {"monitoring_worker_cpu_seconds_total", MetricType::counter,
                             "CPU time of the workers of this database.", "seconds"};
constexpr MetricSpec kOutboxDepth = {"monitoring_outbox_pending", MetricType::gauge,
                                     "Notifications on their way to their receivers."};
constexpr MetricSpec kOutboxAge = {"monitoring_outbox_oldest_age_seconds", MetricType::gauge,
                                   "Age of the oldest of them.", "seconds"};
constexpr MetricSpec kOutboxDead = {"monitoring_outbox_dead", MetricType::gauge,
                                    "Notifications that were given up."};
constexpr MetricSpec kRollupLag = {"monitoring_rollup_lag_seconds", MetricType::gauge,
                                   "Time since the last pass of the roll-ups.", "seconds"};
constexpr MetricSpec kDutySeconds = {"monitoring_duty_seconds_total", MetricType::counter,
                                     "Time that the worker's duties have taken.", "seconds"};
constexpr MetricSpec kDutyRuns = {"monitoring_duty_runs_total", MetricType::counter,
                                  "Runs of the worker's duties."};
constexpr MetricSpec kDutyFailures = {"monitoring_duty_failures_total", MetricType::counter,
                                      "Runs of the worker's duties that have failed."};
constexpr MetricSpec kCollectorSeconds = {"monitoring_collector_seconds_total", MetricType::counter,
                                          "Time of the worker that the collector has taken.",
                                          "seconds"};
constexpr MetricSpec kCollectorRows = {"monitoring_collector_rows_total", MetricType::counter,
                                       "Measurements that the collector has written."};
constexpr MetricSpec kCollectorFailures = {"monitoring_collector_failures_total",
                                           MetricType::counter,
                                           "Runs of the collector that have failed."};

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double seconds_of(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

double cpu_seconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

void set(const MetricSpec& metric, double value) {
  const auto series = shmem::find_or_create(MyDatabaseId, metric, {}).series;
  if (series != nullptr) shmem::set(*series, value);
}

void add(const MetricSpec& metric, double by, std::string_view labels = {}) {
  const auto series = shmem::find_or_create(MyDatabaseId, metric, labels).series;
  if (series != nullptr) shmem::add(*series, by);
}

/// Each from an index of what it asks for: the table may hold a year.
void publish_outbox(DutyContext& context) {
  static pg::Prepared statement(
      "SELECT u.waiting, coalesce(extract(epoch FROM $1) - extract(epoch FROM u.oldest), "
      "0)::float8, d.dead"
      " FROM (SELECT pg_catalog.count(*) AS waiting, pg_catalog.min(n.queued_at) AS oldest FROM "
      "monitoring.notifications n"
      "  WHERE n.status IN ('queued', 'sending', 'retrying')) AS u,"
      " (SELECT pg_catalog.count(*) AS dead FROM monitoring.notifications n WHERE n.status = "
      "'dead') AS d",
      {TIMESTAMPTZOID});
  const pg::Rows rows = statement.query(context.spi, {pg::timestamptz(context.now)});
  set(kOutboxDepth, static_cast<double>(*rows.int8(0, 1)));
  set(kOutboxAge, *rows.float8(0, 2));
  set(kOutboxDead, static_cast<double>(*rows.int8(0, 3)));
}

void publish_rollup_lag(DutyContext& context) {
  const pg::Rows rows = context.spi.query(
      "SELECT (extract(epoch FROM $1) - extract(epoch FROM p.last_run_at))::float8 FROM "
      "monitoring_internal.rollup_progress AS p"
      " WHERE p.last_run_at IS NOT NULL",
      {pg::timestamptz(context.now)});
  if (!rows.empty()) set(kRollupLag, *rows.float8(0, 1));
}

void publish_duty(const collect::CountedCost& counted) {
  const std::string labels = metrics::label_bytes({{"duty", counted.name}});
  add(kDutySeconds, seconds_of(counted.cost.took), labels);
  add(kDutyRuns, static_cast<double>(counted.cost.runs), labels);
  add(kDutyFailures, static_cast<double>(counted.cost.failures), labels);
}

void publish_collector(const collect::CountedCost& counted) {
  const std::string labels = metrics::label_bytes({{"collector", counted.name}});
  add(kCollectorSeconds, seconds_of(counted.cost.took), labels);
  add(kCollectorRows, static_cast<double>(counted.cost.rows_written), labels);
  add(kCollectorFailures, static_cast<double>(counted.cost.failures), labels);
}

void publish_costs(DutyContext& context) {
  for (const collect::CountedCost& counted : collect::save_costs(context.spi, context.now)) {
    if (counted.part == collect::CostPart::duty) {
      publish_duty(counted);
    } else {
      publish_collector(counted);
    }
  }
}

std::string label_of(std::string_view labels) {
  metrics::LabelReader reader(labels);
  std::string_view name;
  std::string_view value;
  return reader.next(&name, &value) ? std::string(value) : std::string();
}

void remove_others(const MetricSpec& metric, const std::set<std::string>& collectors,
                   const shmem::Snapshot& snapshot) {
  for (const auto& sample : snapshot.samples()) {
    const auto& of = snapshot.metrics()[sample.metric];
    if (of.database != MyDatabaseId || of.name != metric.name) continue;
    if (collectors.count(label_of(sample.labels)) > 0) continue;
    const auto series = shmem::find_or_create(MyDatabaseId, metric, sample.labels).series;
    if (series != nullptr) shmem::remove(*series);
  }
}

/// Takes away what is published of collectors that are gone, also by an earlier process.
void forget_gone_collectors(DutyContext& context, std::set<std::string>* before) {
  const pg::Rows rows =
      context.spi.query("SELECT c.collector_name FROM monitoring.collectors AS c");
  std::set<std::string> now;
  for (std::uint64_t row = 0; row < rows.size(); ++row) now.insert(*rows.text(row, 1));
  const bool none_gone = std::includes(now.begin(), now.end(), before->begin(), before->end());
  const bool is_first = before->empty();
  *before = std::move(now);
  if (none_gone && !is_first) return;
  const shmem::Snapshot snapshot(MyDatabaseId);
  for (const MetricSpec& metric : {kCollectorSeconds, kCollectorRows, kCollectorFailures}) {
    remove_others(metric, *before, snapshot);
  }
}

}  // namespace

Duty self_metrics_duty() {
  const auto counted = std::make_shared<double>(0);
  const auto collectors = std::make_shared<std::set<std::string>>();
  Duty duty;
  duty.name = "self-metrics";
  duty.next_after = [](Instant ran_at) { return ran_at + kEvery; };
  duty.run = [counted, collectors](DutyContext& context) {
    const double used = cpu_seconds();
    add(kCpu, used - std::exchange(*counted, used));
    publish_costs(context);
    forget_gone_collectors(context, collectors.get());
    publish_outbox(context);
    publish_rollup_lag(context);
  };
  return duty;
}

}  // namespace monitoring::worker
