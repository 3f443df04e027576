#pragma once
// Moments: count, sum, extremes and variance of a stream of numbers; mergeable plain data.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>

namespace monitoring::metrics {

/// All fields but nonfinite_count are about the finite values only. The sum is compensated
/// (Neumaier 1974); mean and m2 follow Welford (1962) and are merged after Chan, Golub, LeVeque
/// (1979). A sum or m2 beyond the range of a double becomes infinite and stays so; it never
/// becomes NaN.
struct Moments {
  /// As rollup_state keeps them: fewer values than one are none.
  static Moments of_state(std::int64_t count, double sum, double m2, double min = 0,
                          double max = 0);

  std::uint64_t count = 0;            // finite values
  std::uint64_t nonfinite_count = 0;  // NaN and infinities
  double sum = 0;                     // see total()
  double compensation = 0;            // what rounding took from sum
  double mean = 0;
  double m2 = 0;   // sum of squared distances from the mean
  double min = 0;  // meaningless while count is 0
  double max = 0;

  void add(double value);
  /// The same for several values, all of them finite, with less work for each.
  void add(const double* values, std::size_t values_count);
  void merge(const Moments& other);

  /// Everything that was added, as one call after the other would count it.
  std::uint64_t rows() const { return count + nonfinite_count; }
  /// The sum of the finite values.
  double total() const;
  /// Sample standard deviation (divisor count - 1), as stddev_samp; nullopt below two values.
  std::optional<double> stddev() const;
};

static_assert(std::is_trivially_copyable_v<Moments>, "kept in shared memory and in tables");
static_assert(sizeof(Moments) == 64);

}  // namespace monitoring::metrics
