#pragma once
// The larger and the smaller of two numbers, as Go's math.Max and math.Min have them: NaN wins,
// except over the infinity that nothing exceeds.

#include <cmath>
#include <limits>

namespace monitoring::promql {

inline double larger_of(double a, double b) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (a == kInfinity || b == kInfinity) return kInfinity;
  if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<double>::quiet_NaN();
  return a > b ? a : b;
}

inline double smaller_of(double a, double b) {
  return -larger_of(-a, -b);
}

}  // namespace monitoring::promql
