#pragma once
// The measurements of a pass, grouped into series: one entry per hour, metric and dimensions.

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <utils/jsonb.h>
}
// clang-format keeps the server's headers first.
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dimensions.hpp"
#include "monitoring/metrics/moments.hpp"
#include "monitoring/metrics/sketch.hpp"
#include "monitoring/store/raw_scan.hpp"

namespace monitoring::store {

/// Microseconds of an hour, as timestamptz counts.
constexpr std::int64_t kHourUs = 3600LL * 1000 * 1000;

/// The start of the UTC hour that an instant lies in. Postgres's epoch is a full hour, so buckets
/// do not depend on any time zone.
std::int64_t hour_of(std::int64_t timestamp);

/// How the tags of a metric are split. No keys: all tags are dimensions.
struct MetricShape {
  bool split = false;
  std::vector<std::string> dimension_keys;
};

/// What one series of one hour got from the rows of a pass.
struct Series {
  std::int64_t hour = 0;
  std::uint32_t metric = 0;
  Hash128 dimensions_hash;
  /// A jsonb datum in the table's memory; nullptr for NULL.
  const Jsonb* dimensions = nullptr;
  metrics::Moments moments;
  metrics::Sketch sketch;
  /// Sums by measure name; empty for most.
  std::unique_ptr<std::vector<std::pair<std::uint32_t, MeasureSum>>> measures;
};

/// Open addressing over 128-bit keys. Keys are hashes, so equal keys count as equal things.
class HashIndex {
 public:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  std::uint32_t find(Hash128 key) const;
  void insert(Hash128 key, std::uint32_t value);
  std::size_t memory_bytes() const { return slots_.size() * sizeof(Slot); }
  std::size_t size() const { return used_; }
  void clear();

 private:
  struct Slot {
    Hash128 key;
    std::uint32_t value = kNone;
  };
  void grow();
  std::size_t used_ = 0;
  std::vector<Slot> slots_;
};

class SeriesTable {
 public:
  explicit SeriesTable(std::unordered_map<std::string, MetricShape> shapes);

  /// Adds a row to its series. May raise server errors: call it under pg::call.
  void add(const RawRow& row);

  std::deque<Series>& series() { return series_; }
  const std::string& metric_name(const Series& series) const {
    return metrics_[series.metric].name;
  }
  /// The measures of a series as a JSON object.
  std::string measures_json(const Series& series) const;

  /// About what it holds, for bounding a pass.
  std::size_t memory_bytes() const;
  /// Forgets the series, keeps what it knows of metrics.
  void clear();

 private:
  struct Metric {
    std::string name;
    MetricShape shape;
  };

  std::uint32_t metric_of(const struct varlena* name);
  void add_split(const RawRow& row, std::uint32_t metric);
  Series& series_of(std::int64_t hour, std::uint32_t metric, struct varlena* tags);
  Series& series_of_split(std::int64_t hour, std::uint32_t metric, const Jsonb* tags);
  std::uint32_t find_or_add(Hash128 alias, std::int64_t hour, std::uint32_t metric,
                            const Jsonb* dimensions);
  void add_measures(Series& series, const Metric& metric, const Jsonb* tags);
  std::uint32_t measure_id(std::string_view name);
  const Jsonb* keep(const Jsonb* json);

  std::unordered_map<std::string, MetricShape> shapes_;
  std::vector<Metric> metrics_;
  HashIndex metric_ids_;
  std::uint32_t last_metric_ = 0;
  std::vector<std::string> measure_names_;
  HashIndex measure_ids_;

  std::deque<Series> series_;
  /// By the bytes of the tags as they came: two spellings of one jsonb value are two aliases.
  HashIndex aliases_;
  /// By the canonical hash of the dimensions.
  HashIndex by_dimensions_;
  std::deque<std::unique_ptr<char[]>> kept_;
  std::size_t kept_bytes_ = 0;
};

}  // namespace monitoring::store
