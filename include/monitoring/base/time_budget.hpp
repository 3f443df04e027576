#pragma once
// How often things may run that together are to take no more than a part of the time.

#include <vector>

#include "monitoring/base/clock.hpp"

namespace monitoring {

/// Something that takes `cost` each time and wants to run `every` so often; `every` is positive.
struct Load {
  Duration cost{0};
  Duration every{1};
};

/// The part of the time that they take if they run as they want to.
double share_of(const std::vector<Load>& loads);

/// How often each may run so that all take at most this share of the time. Those that take most are
/// stretched, to an equal part of what the others leave; these run as they want to.
std::vector<Duration> intervals_within(const std::vector<Load>& loads, double share);

}  // namespace monitoring
