#include "worker/self_metrics.hpp"

extern "C" {
#include <sys/resource.h>
}
// clang-format keeps the server's headers first.
#include <chrono>
#include <memory>

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

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
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

void publish_outbox(DutyContext& context) {
  const pg::Rows rows = context.spi.query(
      "SELECT pg_catalog.count(*) FILTER (WHERE n.status <> 'dead'),"
      " coalesce(extract(epoch FROM $1 - pg_catalog.min(n.queued_at)"
      "  FILTER (WHERE n.status <> 'dead')), 0)::float8,"
      " pg_catalog.count(*) FILTER (WHERE n.status = 'dead')"
      " FROM monitoring.notifications AS n WHERE n.status <> 'sent'",
      {pg::timestamptz(context.now)});
  set(kOutboxDepth, static_cast<double>(*rows.int8(0, 1)));
  set(kOutboxAge, *rows.float8(0, 2));
  set(kOutboxDead, static_cast<double>(*rows.int8(0, 3)));
}

void publish_rollup_lag(DutyContext& context) {
  const pg::Rows rows = context.spi.query(
      "SELECT extract(epoch FROM $1 - p.last_run_at)::float8 FROM monitoring.rollup_progress AS p"
      " WHERE p.last_run_at IS NOT NULL",
      {pg::timestamptz(context.now)});
  if (!rows.empty()) set(kRollupLag, *rows.float8(0, 1));
}

}  // namespace

Duty self_metrics_duty() {
  const auto counted = std::make_shared<double>(0);
  Duty duty;
  duty.name = "self-metrics";
  duty.next_after = [](Instant ran_at) { return ran_at + kEvery; };
  duty.run = [counted](DutyContext& context) {
    const double used = cpu_seconds();
    add(kCpu, used - std::exchange(*counted, used));
    publish_outbox(context);
    publish_rollup_lag(context);
  };
  return duty;
}

void count_duty(const std::string& name, Duration took, bool failed) {
  const std::string labels = metrics::label_bytes({{"duty", name}});
  add(kDutySeconds, std::chrono::duration<double>(took).count(), labels);
  add(kDutyRuns, 1, labels);
  add(kDutyFailures, failed ? 1 : 0, labels);
}

}  // namespace monitoring::worker
