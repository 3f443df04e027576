#pragma once
// Samples into the store.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "monitoring/base/labels.hpp"

namespace monitoring::series {

/// Samples that were not taken, and a series that they belong to.
struct Refused {
  std::uint64_t samples = 0;
  std::string example;
};

struct IngestOutcome {
  std::uint64_t taken = 0;
  /// By reason, as monitoring.refused_samples has it.
  std::map<std::string, Refused> refused;
};

struct IngestLimits {
  std::int64_t max_series = 0;
  std::int64_t out_of_order_window_ms = 0;
};

/// Collects the samples of one call and writes them in the caller's transaction.
class Ingestion {
 public:
  /// `now`: samples more than ten minutes later are refused.
  Ingestion(Instant now, IngestLimits limits) : now_(now), limits_(limits) {}

  /// The metric's name is label __name__; labels without a value are left out. The second of two
  /// samples of one time replaces the first.
  void add(const Labels& labels, std::int64_t time_ms, double value);
  /// Once, after the last sample.
  IngestOutcome write(pg::Spi& spi);

 private:
  struct Point {
    std::int64_t time_ms;
    double value;
  };
  struct Incoming {
    Labels labels;
    std::string hash;  ///< of the labels, as text of a uuid
    std::int64_t series_id = 0;
    std::int64_t group_id = 0;
    std::int64_t newest_ms = 0;  ///< of what is stored
    bool has_stored = false;
    std::vector<Point> points;
  };
  class SeriesResolver;
  class LateCheck;

  void refuse(const char* reason, const Labels& labels, std::uint64_t samples);
  void sort_points();
  void write_refused(pg::Spi& spi);

  Instant now_;
  IngestLimits limits_;
  std::vector<Incoming> series_;
  std::unordered_map<std::string, std::size_t> by_hash_;
  IngestOutcome outcome_;
};

/// What a text says of a metric; empty where it does not.
struct Metadata {
  std::string type;
  std::string help;
  std::string unit;
};
/// Writes what is new or has changed.
void store_metadata(pg::Spi& spi, const std::map<std::string, Metadata>& metadata);

}  // namespace monitoring::series
