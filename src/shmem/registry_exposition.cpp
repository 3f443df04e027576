#include "monitoring/shmem/registry_exposition.hpp"

#include "monitoring/shmem/record_ring.hpp"
#include "monitoring/shmem/worker_slots.hpp"
// clang-format keeps the server's headers first.
#include <algorithm>

namespace monitoring::shmem {

namespace {

using metrics::Exposition;

constexpr double kMicroseconds = 1e6;

MetricSpec counter(std::string_view name, std::string_view help, std::string_view unit = {}) {
  return {name, MetricType::counter, help, unit, nullptr, 0};
}

MetricSpec gauge(std::string_view name, std::string_view help, std::string_view unit = {}) {
  return {name, MetricType::gauge, help, unit, nullptr, 0};
}

/// The name of a series' database; nullptr where the series is not to be shown.
const std::string* datname_of(Oid database, const DatabaseNames* names) {
  static const std::string none;
  if (names == nullptr || database == kWholeCluster) return &none;
  const auto found = names->find(database);
  return found == names->end() ? nullptr : &found->second;
}

std::string_view label(Exposition& exposition, const char* name, std::string_view value) {
  return exposition.keep(metrics::label_bytes({{name, std::string(value)}}));
}

void expose_registry_status(Exposition& exposition) {
  const MetricSpec refused = counter("monitoring_registry_refused_total",
                                     "Counts for which there was no series, by reason.");
  const RegistryStatus status = registry_status();
  exposition.add(gauge("monitoring_registry_size_bytes",
                       "Shared memory of the registry (monitoring.registry_size).", "bytes"),
                 {}, static_cast<double>(status.size_bytes));
  exposition.add(gauge("monitoring_registry_used_bytes", "Of it in use.", "bytes"), {},
                 static_cast<double>(status.used_bytes));
  exposition.add(gauge("monitoring_registry_metrics", "Metrics in the registry."), {},
                 static_cast<double>(status.metrics));
  exposition.add(gauge("monitoring_registry_series", "Series in the registry."), {},
                 static_cast<double>(status.series));
  exposition.add(refused, label(exposition, "reason", "memory"),
                 static_cast<double>(status.refused_memory));
  exposition.add(refused, label(exposition, "reason", "series_limit"),
                 static_cast<double>(status.refused_series_limit));
  exposition.add(refused, label(exposition, "reason", "conflict"),
                 static_cast<double>(status.refused_conflict));
}

void expose_ring(Exposition& exposition) {
  const RingStatus status = ring_status(InvalidOid);
  exposition.add(
      gauge("monitoring_record_ring_size_bytes",
            "Shared memory for recorded measurements (monitoring.record_ring_size).", "bytes"),
      {}, static_cast<double>(status.size_bytes));
  exposition.add(gauge("monitoring_record_ring_used_bytes", "Of it in use, whole blocks.", "bytes"),
                 {}, static_cast<double>(status.used_bytes));
}

void expose_records(Exposition& exposition, Oid database, std::string_view datname) {
  const RingStatus status = ring_status(database);
  const RecordCounters& counters = status.counters;
  exposition.add(gauge("monitoring_records_waiting_bytes",
                       "Recorded measurements that are not yet in the table.", "bytes"),
                 {}, static_cast<double>(status.waiting_bytes), datname);
  exposition.add(counter("monitoring_records_drained_total", "Measurements written to the table."),
                 {}, static_cast<double>(counters.drained), datname);
  exposition.add(counter("monitoring_records_dropped_total",
                         "Measurements dropped because the record ring was full."),
                 {}, static_cast<double>(counters.dropped), datname);
  exposition.add(counter("monitoring_records_rejected_total",
                         "Measurements that a constraint or trigger of the table has refused."),
                 {}, static_cast<double>(counters.rejected), datname);
  exposition.add(counter("monitoring_records_lost_total",
                         "Measurements that were not yet written when the server crashed."),
                 {}, static_cast<double>(counters.lost), datname);
}

const char* role_name(Role role) {
  switch (role) {
    case Role::launcher:
      return "launcher";
    case Role::worker:
      return "worker";
    case Role::courier:
      return "courier";
    case Role::server:
      return "server";
    case Role::none:
      break;
  }
  return "";
}

/// Unix time of a timestamp.
double seconds_of(TimestampTz timestamp) {
  constexpr std::int64_t kEpochDays = POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE;
  return static_cast<double>(timestamp) / kMicroseconds + kEpochDays * double{SECS_PER_DAY};
}

void expose_process(Exposition& exposition, const WorkerSlot& slot, std::string_view datname) {
  const std::string_view role = label(exposition, "role", role_name(slot.role));
  exposition.add(gauge("monitoring_process_up", "Whether the process is there."), role,
                 slot.pid == 0 ? 0 : 1, datname);
  exposition.add(counter("monitoring_process_ticks_total", "How often the process has woken up."),
                 role, static_cast<double>(slot.ticks), datname);
  exposition.add(
      counter("monitoring_process_errors_total", "How often work of the process has failed."), role,
      static_cast<double>(slot.errors), datname);
  if (slot.last_tick_at == 0) return;
  exposition.add(gauge("monitoring_process_last_tick_timestamp_seconds",
                       "When the process last woke up.", "seconds"),
                 role, seconds_of(slot.last_tick_at), datname);
}

}  // namespace

void expose_registry(Exposition& exposition, const Snapshot& snapshot, const DatabaseNames* names) {
  for (const Snapshot::Sample& sample : snapshot.samples()) {
    const Snapshot::Metric& metric = snapshot.metrics()[sample.metric];
    const std::string* const datname = datname_of(metric.database, names);
    if (datname == nullptr) continue;
    const MetricSpec spec = {metric.name, metric.type,   metric.help,
                             metric.unit, metric.bounds, metric.bound_count};
    if (sample.buckets == nullptr) {
      exposition.add(spec, sample.labels, sample.value, *datname);
    } else {
      exposition.add_histogram(spec, sample.labels, sample.value, sample.buckets, *datname);
    }
  }
}

void expose_self(Exposition& exposition, const DatabaseNames& names) {
  exposition.set_own(true);
  expose_registry_status(exposition);
  expose_ring(exposition);
  for (const auto& [database, datname] : names) expose_records(exposition, database, datname);
  for (const WorkerSlot& slot : all_slots()) {
    const std::string* const datname = datname_of(slot.database, &names);
    if (datname != nullptr) expose_process(exposition, slot, *datname);
  }
  exposition.set_own(false);
}

std::vector<Exposition::Disagreement> disagreements_of(Oid database) {
  const std::vector<NamedMetric> metrics = metric_names();
  Exposition exposition;
  for (const NamedMetric& metric : metrics) {
    exposition.add({metric.name, metric.type, {}, {}, nullptr, 0}, {}, 0);
  }
  expose_self(exposition, {{database, std::string()}});
  std::vector<Exposition::Disagreement> ours;
  for (Exposition::Disagreement& found : exposition.disagreements()) {
    const bool is_ours = std::any_of(metrics.begin(), metrics.end(), [&](const auto& metric) {
      return metric.database == database && metric.name == found.name && metric.type == found.type;
    });
    if (is_ours) ours.push_back(std::move(found));
  }
  return ours;
}

}  // namespace monitoring::shmem
