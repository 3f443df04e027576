#pragma once
// The registry: counters, gauges and histograms in shared memory, of all databases. What it is made
// of is in src/shmem/REGISTRY.md.
//
// Nothing here raises an error, and nothing but what reads a copy allocates: hooks may call it all,
// save in the postmaster and in processes that have no PGPROC (yet), where every series is refused.
//
//   static shmem::HookSeries violations;
//   violations.add({"rls_violations_total", MetricType::counter, "RLS policy violations."}, 1);

#include "monitoring/pg/postgres.hpp"
// clang-format keeps the server's headers first.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/metrics/metric.hpp"

namespace monitoring::shmem {

using metrics::MetricSpec;
using metrics::MetricType;

/// The database of series that belong to the whole cluster.
constexpr Oid kWholeCluster = InvalidOid;

/// False without shared_preload_libraries; nothing else here may be called then.
bool registry_available();

/// For the hooks of the postmaster's start. create_registry() loads what the last run left.
void request_registry();
void create_registry();

// --- Counting ------------------------------------------------------------------------------------

/// One series: a metric of one database with one set of labels. A pointer stays good for as long as
/// the process is connected to that database; also after the series was removed, when what is
/// counted on it is lost.
struct Series;

/// Why there is no series. All but unavailable are counted.
enum class Refusal : std::uint8_t {
  none,
  memory,        ///< monitoring.registry_size is used up
  series_limit,  ///< the metric has monitoring.max_series_per_metric series
  other_type,    ///< a metric of this name is of another type
  other_bounds,  ///< a histogram of this name has other buckets
  unavailable,   ///< a process without a PGPROC
};

struct Found {
  Series* series;
  Refusal refusal;
};

/// The series of a metric with these labels (metrics::label_bytes, LabelBuffer), made if there is
/// none: a look-up under a lock, so keep what it gives.
Found find_or_create(Oid database, const MetricSpec& spec, std::string_view labels);

/// False after the series was removed: look it up again.
bool alive(const Series& series);

/// Of a counter (by >= 0) or a gauge.
void add(Series& series, double by);
/// Of a gauge; or of a counter that somebody else counts, and nobody adds to.
void set(Series& series, double value);
/// Of a histogram; value is not NaN.
void observe(Series& series, double value);

/// A series that one place in a hook counts on: looked up once in a process, and again after it was
/// removed. Make it static; the labels are the same in every call.
class HookSeries {
 public:
  void add(const MetricSpec& spec, double by, std::string_view labels = {},
           Oid database = MyDatabaseId);
  void set(const MetricSpec& spec, double value, std::string_view labels = {},
           Oid database = MyDatabaseId);
  void observe(const MetricSpec& spec, double value, std::string_view labels = {},
               Oid database = MyDatabaseId);

 private:
  Series* get(const MetricSpec& spec, std::string_view labels, Oid database);
  Series* series_ = nullptr;
};

// --- Metrics -------------------------------------------------------------------------------------

/// What is known of a metric that has series, or had since the server started.
struct MetricFacts {
  MetricType type;
  std::uint32_t series_count;
};
std::optional<MetricFacts> find_metric(Oid database, std::string_view name);

/// Makes a metric as described, or gives the one that is there this help and unit. A metric without
/// series is made anew where type or bounds differ; one with series is refused.
Refusal define_metric(Oid database, const MetricSpec& spec);
/// Whether it would be refused.
Refusal check_definition(Oid database, const MetricSpec& spec);

/// Removes one series. It starts from zero when somebody counts on it again.
void remove(Series& series);
/// Removes the series of a metric. They start from zero when somebody counts on them again. Returns
/// how many there were.
std::uint32_t remove_metric(Oid database, std::string_view name);
/// The same for all metrics of a database: its extension was dropped.
void remove_metrics(Oid database);

/// The databases that have metrics, and the end of those of a database that is gone: nobody is
/// connected to it.
std::vector<Oid> databases_with_metrics();
void discard_metrics(Oid database);

// --- Reading -------------------------------------------------------------------------------------

/// A copy of the registry, or of one database's and the cluster's part of it. In it the count of a
/// histogram is the sum of its buckets, however many processes were counting. The histogram of
/// query durations is there twice, in seconds and in milliseconds (metrics/query_duration.hpp),
/// unless somebody counts under the second name.
class Snapshot {
 public:
  struct Metric {
    Oid database;
    MetricType type;
    std::string_view name;
    std::string_view help;
    std::string_view unit;
    const double* bounds;
    std::uint32_t bound_count;
  };
  struct Sample {
    std::uint32_t metric;  ///< index into metrics()
    std::uint64_t origin;  ///< another one after the series has started from zero
    std::string_view labels;
    double value;                  ///< of a histogram, the sum of what was observed
    const std::uint64_t* buckets;  ///< of a histogram: bound_count + 1 counts, not cumulated
  };

  /// All databases, or this one and kWholeCluster.
  explicit Snapshot(std::optional<Oid> database);
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  const std::vector<Metric>& metrics() const { return metrics_; }
  /// Those of one metric are together, in no order.
  const std::vector<Sample>& samples() const { return samples_; }

 private:
  void add_milliseconds();

  std::vector<std::uint64_t> bytes_;
  std::vector<Metric> metrics_;
  std::vector<Sample> samples_;
};

/// A metric that has series, in any database.
struct NamedMetric {
  Oid database;
  MetricType type;
  std::string name;
};
std::vector<NamedMetric> metric_names();

struct RegistryStatus {
  std::uint64_t size_bytes;
  std::uint64_t used_bytes;
  std::uint64_t metrics;
  std::uint64_t series;
  // Since the server started: how often a series was asked for and refused.
  std::uint64_t refused_memory;
  std::uint64_t refused_series_limit;
  std::uint64_t refused_conflict;
};
RegistryStatus registry_status();

}  // namespace monitoring::shmem
