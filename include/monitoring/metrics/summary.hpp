#pragma once
// Summary: what is published of a stream of numbers.

#include <optional>

#include "monitoring/metrics/moments.hpp"
#include "monitoring/metrics/sketch.hpp"

namespace monitoring::metrics {

/// nullopt where there are too few values, or where the distribution is not known.
struct Summary {
  std::optional<double> average;
  std::optional<double> stddev;
  std::optional<double> p50;
  std::optional<double> p95;
  std::optional<double> p99;
};

/// The two describe the same values. An m2 of NaN beside a finite sum says that the distribution is
/// not known (values adopted from elsewhere); overflows alone do not.
Summary summary_of(const Moments& moments, const Sketch& sketch);

}  // namespace monitoring::metrics
