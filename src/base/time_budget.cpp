#include "monitoring/base/time_budget.hpp"

#include <algorithm>
#include <limits>

namespace monitoring {

namespace {

/// Beyond any interval that matters, and far from overflow when a time is added.
constexpr Duration kNever = std::chrono::hours(24 * 365);

double share_of(const Load& load) {
  return static_cast<double>(load.cost.count()) / static_cast<double>(load.every.count());
}

/// The share above which a load is stretched to it. Each that takes less leaves the rest of its
/// equal part to the others.
double largest_share(std::vector<double> shares, double budget) {
  std::sort(shares.begin(), shares.end());
  std::size_t others = shares.size();
  for (const double share : shares) {
    if (share * static_cast<double>(others) > budget) return budget / static_cast<double>(others);
    budget -= share;
    --others;
  }
  return std::numeric_limits<double>::infinity();
}

}  // namespace

double share_of(const std::vector<Load>& loads) {
  double sum = 0;
  for (const Load& load : loads) sum += share_of(load);
  return sum;
}

std::vector<Duration> intervals_within(const std::vector<Load>& loads, double share) {
  std::vector<double> shares;
  shares.reserve(loads.size());
  for (const Load& load : loads) shares.push_back(share_of(load));
  const double largest = largest_share(shares, share);
  std::vector<Duration> intervals;
  intervals.reserve(loads.size());
  for (const Load& load : loads) {
    if (share_of(load) <= largest) {
      intervals.push_back(load.every);
      continue;
    }
    const double wanted = static_cast<double>(load.cost.count()) / largest;
    const auto longest = static_cast<double>(kNever.count());
    intervals.emplace_back(static_cast<Duration::rep>(std::min(wanted, longest)));
  }
  return intervals;
}

}  // namespace monitoring
