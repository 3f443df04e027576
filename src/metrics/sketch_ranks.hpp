#pragma once
// Where a quantile lies among the values of a sketch (src/metrics/FORMAT.md, "Quantiles").

#include <algorithm>
#include <cstdint>

#include "metrics/sketch_mapping.hpp"

namespace monitoring::metrics {

/// The ranks, counted from 0, of the two values that the quantile q of so many lies between.
struct QuantileRanks {
  /// count is above 0; q is clamped to [0, 1] and is not NaN.
  QuantileRanks(double q, std::uint64_t count) {
    const std::uint64_t last = count - 1;
    const double rank = std::clamp(q, 0.0, 1.0) * static_cast<double>(last);
    below = std::min(static_cast<std::uint64_t>(rank), last);
    above = std::min(below + 1, last);
    fraction = rank - static_cast<double>(below);
  }

  /// The quantile, from the keys of these two.
  double between(std::int32_t low_key, std::int32_t high_key) const {
    const double low = sketch_value(low_key);
    const double high = low_key == high_key ? low : sketch_value(high_key);
    if (low == high) return low;
    return low * (1 - fraction) + high * fraction;
  }

  std::uint64_t below;
  std::uint64_t above;
  double fraction;
};

}  // namespace monitoring::metrics
