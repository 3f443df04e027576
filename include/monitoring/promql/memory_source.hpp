#pragma once
// A source of series that holds them in memory.

#include <map>

#include "monitoring/promql/series_source.hpp"

namespace monitoring::promql {

class MemorySource final : public SeriesSource {
 public:
  /// A sample for a time that has one already replaces it.
  void append(const Labels& labels, std::int64_t time_ms, double value);
  void clear() { series_.clear(); }

  Result<std::unique_ptr<SeriesCursor>> select(const Selection& selection,
                                               CancelToken& cancel) override;

 private:
  friend class MemoryCursor;
  struct Samples {
    std::vector<std::int64_t> times_ms;
    std::vector<double> values;
  };
  std::map<Labels, Samples> series_;
};

}  // namespace monitoring::promql
