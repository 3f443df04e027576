#pragma once
// Recorded measurements seen through a window of time: one value for each series. What thresholds
// are held against, and what monitoring.metric_values() shows.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "monitoring/base/clock.hpp"

namespace monitoring::series {

/// Which samples. The texts are still as the user gave them.
struct SeriesSelector {
  std::string metric_name;
  std::string matching;  ///< a JSON object that the tags have to contain

  bool operator<(const SeriesSelector& other) const {
    return std::tie(metric_name, matching) < std::tie(other.metric_name, other.matching);
  }
};

/// How far back, and what is made of the samples there.
struct SeriesWindow {
  Duration over_last{0};
  std::string aggregate;  ///< as in alerting::Aggregate
  /// One value for all series that have these labels in common; none: one for each series.
  std::optional<std::vector<std::string>> by_labels;
};

/// Rows of (selector int8, labels jsonb, value float8): for each selector, by its position, one row
/// for each series with samples in the window (until - over_last, until]. At most `limit` rows; 0:
/// all. A series is identified as in roll-ups: by the metric's dimension_keys, or all tags. Samples
/// that are NaN or infinite do not count. With by_labels rate, increase and last are taken for each
/// series and added up, the others over all samples.
pg::Rows read_series(pg::Spi& spi, const SeriesWindow& window,
                     const std::vector<SeriesSelector>& selectors, Instant until, long limit = 0);

}  // namespace monitoring::series
