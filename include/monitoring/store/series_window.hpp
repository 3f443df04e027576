#pragma once
// Recorded measurements seen through a window of time: one value for each series. What thresholds
// are held against, and what monitoring.metric_values() shows.

#include <optional>
#include <string>
#include <vector>

#include "monitoring/base/clock.hpp"

namespace monitoring::store {

/// The texts are still as the user gave them.
struct SeriesWindow {
  std::string metric_name;
  Duration over_last{0};
  std::string aggregate;  ///< as in alerting::Aggregate
  std::string matching;   ///< a JSON object that the tags have to contain
  /// One value for all series that have these labels in common; none: one for each series.
  std::optional<std::vector<std::string>> by_labels;
};

/// A query of (labels jsonb, value float8), one row for each series with samples in the window
/// ($1 - over_last, $1]. A series is identified as in roll-ups: by the metric's dimension_keys, or
/// all tags. Samples that are NaN or infinite do not count. With by_labels rate, increase and last
/// are taken for each series and added up, the others over all samples. Called inside an Spi.
std::string series_query(const SeriesWindow& window);

}  // namespace monitoring::store
