#include "promql/buckets.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace monitoring::promql {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Sorted, each bound once. False where the last is not infinite.
bool prepare(std::vector<Bucket>& buckets) {
  std::stable_sort(buckets.begin(), buckets.end(),
                   [](const Bucket& a, const Bucket& b) { return a.upper_bound < b.upper_bound; });
  if (buckets.empty() || buckets.back().upper_bound != kInfinity) return false;
  std::size_t last = 0;
  for (std::size_t i = 1; i < buckets.size(); ++i) {
    if (buckets[i].upper_bound == buckets[last].upper_bound) {
      buckets[last].count += buckets[i].count;
    } else {
      buckets[++last] = buckets[i];
    }
  }
  buckets.resize(last + 1);
  return true;
}

/// Makes counts rise. Whether one fell by more than rounding explains.
bool make_monotonic(std::vector<Bucket>& buckets) {
  constexpr double kTolerance = 1e-12;
  bool was_mended = false;
  double before = buckets[0].count;
  for (std::size_t i = 1; i < buckets.size(); ++i) {
    double& count = buckets[i].count;
    if (count == before) continue;
    const double larger = std::max(std::fabs(count), std::fabs(before));
    const double least_normal = std::numeric_limits<double>::min();
    const double difference = std::fabs(count - before);
    const bool almost_equal = larger < least_normal ? difference < kTolerance * least_normal
                                                    : difference / larger < kTolerance;
    if (almost_equal) {
      count = before;
      continue;
    }
    if (count < before) {
      count = before;
      was_mended = true;
    }
    before = count;
  }
  return was_mended;
}

}  // namespace

BucketQuantile bucket_quantile(double quantile, std::vector<Bucket>& buckets) {
  if (std::isnan(quantile)) return {kNaN};
  if (quantile < 0) return {-kInfinity};
  if (quantile > 1) return {kInfinity};
  if (!prepare(buckets)) return {kNaN};
  BucketQuantile result;
  result.was_mended = make_monotonic(buckets);
  const std::size_t size = buckets.size();
  const double observations = buckets.back().count;
  if (size < 2 || observations == 0) return {kNaN};
  double rank = quantile * observations;
  std::size_t at = 0;
  while (at < size - 1 && !(buckets[at].count >= rank)) ++at;
  if (at == size - 1) {
    result.value = buckets[size - 2].upper_bound;
    return result;
  }
  if (at == 0 && buckets[0].upper_bound <= 0) {
    result.value = buckets[0].upper_bound;
    return result;
  }
  const double start = at == 0 ? 0 : buckets[at - 1].upper_bound;
  double count = buckets[at].count;
  if (at > 0) {
    count -= buckets[at - 1].count;
    rank -= buckets[at - 1].count;
  }
  result.value = start + (buckets[at].upper_bound - start) * (rank / count);
  return result;
}

double bucket_fraction(double lower, double upper, std::vector<Bucket>& buckets) {
  if (!prepare(buckets)) return kNaN;
  const double count = buckets.back().count;
  if (count == 0 || std::isnan(lower) || std::isnan(upper)) return kNaN;
  if (lower >= upper) return 0;
  // Where no bound is negative, nor is an observation.
  const double lowest = buckets[0].upper_bound > 0 ? 0 : -kInfinity;
  /// How many observations lie below a value.
  const auto rank_of = [&](double value) {
    double below = 0;
    for (std::size_t i = 0; i < buckets.size(); ++i) {
      const double start = i > 0 ? buckets[i - 1].upper_bound : lowest;
      const double end = buckets[i].upper_bound;
      if (start >= value) return below;
      if (end > value) {
        // Nothing is known of where in an endless bucket its observations are.
        if (start == -kInfinity) return buckets[i].count;
        return below + (buckets[i].count - below) * (value - start) / (end - start);
      }
      below = buckets[i].count;
    }
    return count;
  };
  const double lower_rank = std::min(rank_of(lower), count);
  const double upper_rank = std::min(rank_of(upper), count);
  return (upper_rank - lower_rank) / count;
}

}  // namespace monitoring::promql
