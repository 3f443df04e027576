#pragma once
// The measurements of a pass, grouped into series: one entry per hour, metric and dimensions.

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <utils/jsonb.h>
}
// clang-format keeps the server's headers first.
#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "monitoring/base/byte_index.hpp"
#include "monitoring/measurements/raw_scan.hpp"
#include "monitoring/metrics/distribution.hpp"
#include "monitoring/pg/periods.hpp"
#include "rollup/dimensions.hpp"

namespace monitoring::rollup {

/// How the tags of a metric are split. No keys: all tags are dimensions.
struct MetricShape {
  bool split = false;
  std::vector<std::string> dimension_keys;
};

/// What one series of one hour got from the rows of a pass.
struct alignas(64) Series {
  std::int64_t hour = 0;
  std::uint32_t metric = 0;
  // What most rows touch ends with the second cache line of the values that wait.
  metrics::Distribution values;
  Hash128 dimensions_hash;
  /// A jsonb datum in the table's memory; nullptr for NULL.
  const Jsonb* dimensions = nullptr;
  /// Sums by measure name; empty for most.
  std::unique_ptr<std::vector<std::pair<std::uint32_t, MeasureSum>>> measures;

  /// Asks for the memory that adding a value touches.
  void fetch_ahead() const {
    __builtin_prefetch(this);
    __builtin_prefetch(reinterpret_cast<const char*>(this) + alignof(Series));
  }
};

class SeriesTable {
 public:
  explicit SeriesTable(std::unordered_map<std::string, MetricShape> shapes);

  /// Adds rows to their series. May raise server errors: call it under pg::call.
  void add(const measurements::RawRow* rows, int count);

  /// What rollup_state holds of a series.
  struct State {
    std::int64_t hour;
    struct varlena* metric_name;
    Hash128 dimensions_hash;
    const Jsonb* dimensions;  // nullptr for NULL
    metrics::Moments moments;
    const metrics::Sketch* sketch;
    const Jsonb* measures;  // nullptr: none
  };
  /// Adds a state to its series. May raise server errors: call it under pg::call.
  void add(const State& state);

  /// Adds what is held of a series elsewhere. Likewise.
  void merge(Series& series, const metrics::Moments& moments, const metrics::Sketch& sketch,
             const Jsonb* measures);

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
  /// What a tag of a metric whose tags are split is.
  struct Role {
    std::string key;
    bool is_dimension;
    std::uint32_t id;  // of the measure, or the dimension's place in its shape
  };
  struct Metric {
    std::string name;
    std::string_view kept_name;  // the same, where it stays
    MetricShape shape;
    std::vector<Role> roles;  // of the row before, by position: most rows have the same keys
  };

  /// Series by bytes that stand for their dimensions, beside hour and metric.
  using SeriesIndex = ByteIndex<Series*>;

  /// A row on its way through add(): many at once, so that memory is waited for together.
  struct Look {
    const measurements::RawRow* row;
    std::string_view tags;
    std::int64_t hour;
    std::uint64_t hash;
    std::uint32_t metric;
    SeriesIndex::Candidate candidate;

    bool is_candidate() const {
      return candidate.bytes != nullptr && candidate.value->hour == hour &&
             candidate.value->metric == metric && candidate.has(tags);
    }
  };

  /// A metric that was found before.
  struct Recent {
    std::string_view name;
    std::uint32_t metric = 0;
  };

  void add_one(const measurements::RawRow& row, std::int64_t hour, std::uint32_t metric);
  std::uint32_t metric_of(struct varlena* name);
  std::uint32_t find_or_add_metric(std::string_view name);
  void add_split(const measurements::RawRow& row, std::int64_t hour, std::uint32_t metric);
  Series& series_of(std::int64_t hour, std::uint32_t metric, struct varlena* tags);
  Series& series_of_split(std::int64_t hour, std::uint32_t metric, const Jsonb* tags);
  Series& find_or_add(std::int64_t hour, std::uint32_t metric, const Jsonb* dimensions);
  Series& find_or_add(std::int64_t hour, std::uint32_t metric, const Jsonb* dimensions,
                      const Hash128& hash);
  static Series* find(const SeriesIndex& in, std::string_view bytes, std::int64_t hour,
                      std::uint32_t metric);
  static Series* find_hashed(const SeriesIndex& in, std::uint64_t hash, std::string_view bytes,
                             std::int64_t hour, std::uint32_t metric);
  void add_value(Series& series, double value);
  const Role& role_of(Metric& metric, std::size_t position, std::string_view key);
  static void add_measure(Series& series, std::uint32_t id, const Measure& measure);
  std::uint32_t measure_id(std::string_view name);

  std::unordered_map<std::string, MetricShape> shapes_;
  std::uint64_t seed_;

  // What clear() leaves: names, which are few.
  ByteArena names_;
  std::vector<Metric> metrics_;
  ByteIndex<std::uint32_t> metric_ids_;
  std::array<Recent, 64> recent_metrics_{};
  std::vector<std::string> measure_names_;
  ByteIndex<std::uint32_t> measure_ids_;

  std::deque<Series> series_;
  ByteArena kept_;
  /// By the canonical hash of the dimensions.
  SeriesIndex by_hash_;
  /// By the dimensions as they came: as the whole of the tags, and picked from them. Two spellings
  /// of one jsonb value are two entries of one series.
  SeriesIndex by_tags_;
  SeriesIndex by_picked_;
  // From the row at hand.
  std::string picked_;
  std::vector<std::pair<std::uint32_t, Measure>> measures_;
  std::size_t series_bytes_ = 0;
};

}  // namespace monitoring::rollup
