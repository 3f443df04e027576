#include "monitoring/base/distinct.hpp"

#include <cmath>

namespace monitoring {

double expected_kinds(std::size_t drawn, std::size_t seen) {
  const auto draws = static_cast<double>(drawn);
  double low = static_cast<double>(seen);
  double high = draws * draws / 2;
  if (seen == 0) return 0;
  if (seen >= drawn || high <= low) return high;
  // What is seen grows with the number of kinds.
  constexpr double kPrecision = 1e-3;
  while (high - low > kPrecision * high) {
    const double middle = (low + high) / 2;
    const bool shows_fewer = -middle * std::expm1(-draws / middle) < static_cast<double>(seen);
    (shows_fewer ? low : high) = middle;
  }
  return high;
}

}  // namespace monitoring
