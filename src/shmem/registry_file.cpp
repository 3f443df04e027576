// The file that carries the registry's values over a clean restart (REGISTRY.md). All of this runs
// in the postmaster, when it has no children.

#include "monitoring/pg/postgres.hpp"

extern "C" {
#include <storage/ipc.h>
}
// clang-format keeps the server's headers first.
#include <utility>

#include "shmem/registry_layout.hpp"
#include "shmem/restart_file.hpp"

namespace monitoring::shmem {

namespace {

constexpr RestartFile kFile = {"pg_stat/monitoring_registry",
                               "pg_stat/monitoring_registry.tmp",
                               {'M', 'O', 'N', 'M', 'E', 'T', 'R', '1'},
                               "Counters, gauges and histograms start from zero."};

/// Followed by the bounds; then name, help and unit, padded together to a multiple of 8; then by
/// its series.
struct MetricEntry {
  Oid database;
  std::uint32_t type;
  std::uint32_t bound_count;
  std::uint32_t name_length;
  std::uint32_t help_length;
  std::uint32_t unit_length;
  std::uint32_t series_count;
  std::uint32_t reserved;
};
static_assert(std::is_trivially_copyable_v<MetricEntry> && sizeof(MetricEntry) % 8 == 0);

/// Followed by the values, and the labels padded to a multiple of 8.
struct SeriesEntry {
  std::uint64_t origin;
  std::uint32_t value_count;
  std::uint32_t labels_length;
};
static_assert(std::is_trivially_copyable_v<SeriesEntry> && sizeof(SeriesEntry) % 8 == 0);

constexpr std::uint32_t kMostValues = metrics::kMostBounds + 2;
constexpr std::uint32_t kLongestText = 1024U * 1024;

std::size_t padding(std::size_t size) {
  return (8 - size % 8) % 8;
}

void pad(RestartFileWriter& writer, std::size_t size) {
  constexpr char kZeros[8] = {};
  writer.append(kZeros, padding(size));
}

void write_series(RestartFileWriter& writer, Series& series) {
  std::uint64_t values[kMostValues];
  const SeriesEntry entry = {series.origin, series.value_count, series.labels_length};
  read_values(series, values);
  writer.append(&entry, sizeof entry);
  writer.append(values, series.value_count * sizeof values[0]);
  writer.append(series.label_bytes(), series.labels_length);
  pad(writer, series.labels_length);
}

void write_metric(RestartFileWriter& writer, MetricNode& metric) {
  const MetricEntry entry = {metric.database,    static_cast<std::uint32_t>(metric.type),
                             metric.bound_count, metric.name_length,
                             metric.help_length, metric.unit_length,
                             metric.alive_count, 0};
  const std::uint32_t text_length = metric.help_length + metric.unit_length;
  writer.append(&entry, sizeof entry);
  writer.append(metric.bounds(), metric.bound_count * sizeof(double));
  writer.append(metric.name_bytes(), metric.name_length);
  if (text_length > 0) writer.append(cell_at(metric.text), text_length);
  pad(writer, metric.name_length + text_length);
  for_each_series(metric, [&](std::uint32_t cell) {
    if (alive(at<Series>(cell))) write_series(writer, at<Series>(cell));
  });
}

void save_registry(int, Datum) {
  // After a crash the next start begins at zero, as it would have without this stop.
  if (!stopped_cleanly()) return;
  save_restart_file(kFile, [](RestartFileWriter& writer) {
    std::uint32_t metrics = 0;
    for_each_metric([&](std::uint32_t cell) {
      if (at<MetricNode>(cell).alive_count == 0) return;
      write_metric(writer, at<MetricNode>(cell));
      ++metrics;
    });
    return metrics;
  });
}

/// Steps through the bytes of the file; nullptr where they end too early.
class Reader {
 public:
  Reader(const char* from, const char* end) : from_(from), end_(end) {}

  const char* take(std::size_t size) {
    const std::size_t padded = size + padding(size);
    if (padded > static_cast<std::size_t>(end_ - from_)) return nullptr;
    return std::exchange(from_, from_ + padded);
  }
  template <class Entry>
  bool take(Entry* entry) {
    const char* const bytes = take(sizeof *entry);
    if (bytes != nullptr) std::memcpy(entry, bytes, sizeof *entry);
    return bytes != nullptr;
  }
  bool at_end() const { return from_ == end_; }

 private:
  const char* from_;
  const char* end_;
};

/// Where the registry is smaller than it was, the rest is left out.
void put_back(std::uint32_t metric, const SeriesEntry& entry, const char* values,
              std::string_view labels) {
  if (metric == kNoCell) return;
  const std::uint32_t cell = make_series(metric, labels);
  if (cell == kNoCell) return;
  Series& series = at<Series>(cell);
  for (std::uint32_t i = 0; i < entry.value_count; ++i) {
    std::uint64_t value;
    std::memcpy(&value, values + i * sizeof value, sizeof value);
    pg_atomic_write_u64(&series.values()[i], value);
  }
  series.origin = entry.origin;
  pg_atomic_write_u32(&series.alive, 1);
  at<MetricNode>(metric).alive_count += 1;
  registry().series_count += 1;
}

bool load_series(Reader& reader, std::uint32_t metric, std::uint32_t value_count) {
  SeriesEntry entry;
  if (!reader.take(&entry) || entry.value_count != value_count) return false;
  const char* const values = reader.take(entry.value_count * sizeof(std::uint64_t));
  const char* const labels = values == nullptr ? nullptr : reader.take(entry.labels_length);
  if (labels == nullptr) return false;
  put_back(metric, entry, values, {labels, entry.labels_length});
  return true;
}

bool is_sound(const MetricEntry& entry) {
  const bool is_histogram = entry.type == static_cast<std::uint32_t>(MetricType::histogram);
  return entry.type <= static_cast<std::uint32_t>(MetricType::histogram) &&
         entry.bound_count <= (is_histogram ? metrics::kMostBounds : 0) &&
         entry.name_length <= metrics::kLongestName && entry.help_length <= kLongestText &&
         entry.unit_length <= kLongestText;
}

bool load_metric(Reader& reader) {
  MetricEntry entry;
  if (!reader.take(&entry) || !is_sound(entry)) return false;
  const char* const bounds = reader.take(entry.bound_count * sizeof(double));
  const char* const text =
      bounds == nullptr
          ? nullptr
          : reader.take(std::size_t{entry.name_length} + entry.help_length + entry.unit_length);
  if (text == nullptr) return false;

  MetricSpec spec;
  spec.type = static_cast<MetricType>(entry.type);
  spec.name = {text, entry.name_length};
  spec.help = {text + entry.name_length, entry.help_length};
  spec.unit = {text + entry.name_length + entry.help_length, entry.unit_length};
  spec.bounds = reinterpret_cast<const double*>(bounds);
  spec.bound_count = entry.bound_count;
  const std::uint32_t cell = make_metric(entry.database, spec);
  const std::uint32_t value_count = spec.type == MetricType::histogram ? entry.bound_count + 2 : 1;
  for (std::uint32_t i = 0; i < entry.series_count; ++i) {
    if (!load_series(reader, cell, value_count)) return false;
  }
  return true;
}

}  // namespace

void load_registry() {
  load_restart_file(kFile, [](const char* from, const char* end, std::uint32_t metrics) {
    Reader reader(from, end);
    for (std::uint32_t i = 0; i < metrics; ++i) {
      if (!load_metric(reader)) return false;
    }
    return reader.at_end();
  });
}

void save_registry_at_exit() {
  on_shmem_exit(save_registry, 0);
}

}  // namespace monitoring::shmem
