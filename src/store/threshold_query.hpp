#pragma once
// The query of a threshold over monitoring.pipeline_metrics.

#include <string>

#include "store/stored_rule.hpp"

namespace monitoring::store {

/// A query of (labels jsonb, value float8), one row for each series with samples in the window
/// ($1 - over_last, $1]. A series is identified as in roll-ups: by the metric's dimension_keys, or
/// all tags. Samples that are NaN or infinite do not count.
std::string threshold_query(const StoredThreshold& threshold);

}  // namespace monitoring::store
