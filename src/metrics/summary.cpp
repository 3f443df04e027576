#include "monitoring/metrics/summary.hpp"

#include <algorithm>
#include <cmath>

namespace monitoring::metrics {

Summary summary_of(const Moments& moments, const Sketch& sketch) {
  Summary summary;
  if (moments.count == 0) return summary;
  summary.average = moments.total() / static_cast<double>(moments.count);
  const bool is_unknown = std::isnan(moments.m2) && std::isfinite(moments.total());
  if (is_unknown) return summary;
  summary.stddev = moments.stddev();
  if (sketch.empty()) return summary;
  // A sketch knows its buckets; the extremes are exact, where they are some.
  const bool has_extremes = moments.min <= moments.max;
  const auto quantile = [&](double q) {
    const double value = sketch.quantile(q);
    return has_extremes ? std::clamp(value, moments.min, moments.max) : value;
  };
  summary.p50 = quantile(0.5);
  summary.p95 = quantile(0.95);
  summary.p99 = quantile(0.99);
  return summary;
}

}  // namespace monitoring::metrics
