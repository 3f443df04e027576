#pragma once
// Quantiles and fractions of a classic histogram: counts of observations up to upper bounds.

#include <vector>

namespace monitoring::promql {

struct Bucket {
  double upper_bound = 0;
  double count = 0;  ///< of all observations up to the bound
};

struct BucketQuantile {
  double value = 0;
  /// The counts fell somewhere, by more than rounding explains.
  bool was_mended = false;
};

/// Both sort the buckets, merge those of equal bounds, and may change them. NaN where the last
/// bound is not infinite or nothing was observed.
BucketQuantile bucket_quantile(double quantile, std::vector<Bucket>& buckets);
double bucket_fraction(double lower, double upper, std::vector<Bucket>& buckets);

}  // namespace monitoring::promql
