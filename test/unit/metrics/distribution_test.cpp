#include "monitoring/metrics/distribution.hpp"

#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <random>
#include <vector>

namespace monitoring::metrics {
namespace {

void expect_same_as_one_by_one(const std::vector<double>& values) {
  Distribution distribution;
  Moments moments;
  Sketch sketch;
  const std::size_t empty_bytes = sketch.memory_bytes();
  std::ptrdiff_t grown = 0;
  for (const double value : values) {
    grown += distribution.add(value);
    moments.add(value);
    if (std::isfinite(value)) sketch.add(value);
  }
  const Moments& got = distribution.moments();
  EXPECT_EQ(distribution.sketch().serialize(), sketch.serialize());
  EXPECT_LE(grown, static_cast<std::ptrdiff_t>(distribution.sketch().memory_bytes() - empty_bytes));
  EXPECT_EQ(got.count, moments.count);
  EXPECT_EQ(got.nonfinite_count, moments.nonfinite_count);
  EXPECT_EQ(got.min, moments.min);
  EXPECT_EQ(got.max, moments.max);
  EXPECT_DOUBLE_EQ(got.total(), moments.total());
  if (moments.count < 2) return;
  EXPECT_NEAR(*got.stddev(), *moments.stddev(), 1e-9 * (1 + *moments.stddev()));
}

TEST(Distribution, IsWhatItsPartsAreForEveryNumberOfValues) {
  std::mt19937_64 random(11);
  std::normal_distribution<double> normal(1e6, 3);
  std::exponential_distribution<double> exponential(0.01);
  std::vector<double> values;
  for (int i = 0; i < 500; ++i) {
    expect_same_as_one_by_one(values);
    values.push_back(i % 31 == 5 ? NAN : i % 2 == 0 ? normal(random) : -exponential(random));
  }
}

TEST(Distribution, MayBeAskedInBetween) {
  Distribution distribution;
  for (int i = 1; i <= 100; ++i) {
    distribution.add(i);
    EXPECT_EQ(distribution.moments().count, static_cast<std::uint64_t>(i));
    EXPECT_EQ(distribution.sketch().count(), static_cast<std::uint64_t>(i));
    EXPECT_EQ(distribution.moments().max, i);
  }
}

TEST(Distribution, MergingEqualsAddingAll) {
  std::mt19937_64 random(5);
  std::exponential_distribution<double> exponential(0.01);
  Distribution whole;
  Distribution merged;
  for (int part = 0; part < 20; ++part) {
    Distribution one;
    for (int i = 0; i < 37 * part; ++i) {
      const double value = i % 13 == 0 ? NAN : exponential(random);
      whole.add(value);
      (i % 2 == 0 ? one : merged).add(value);
    }
    merged.merge(one.moments(), one.sketch());
  }
  EXPECT_EQ(merged.sketch().serialize(), whole.sketch().serialize());
  EXPECT_EQ(merged.moments().count, whole.moments().count);
  EXPECT_EQ(merged.moments().nonfinite_count, whole.moments().nonfinite_count);
  EXPECT_NEAR(merged.moments().total(), whole.moments().total(), 1e-6);
  EXPECT_NEAR(*merged.moments().stddev(), *whole.moments().stddev(), 1e-9);
}

TEST(Distribution, OverflowNeverBecomesNan) {
  Distribution distribution;
  for (int i = 0; i < 100; ++i) distribution.add(i % 3 == 0 ? -DBL_MAX : DBL_MAX);
  EXPECT_EQ(distribution.moments().count, 100u);
  EXPECT_TRUE(std::isinf(distribution.moments().total()));
  EXPECT_FALSE(std::isnan(distribution.moments().mean));
  EXPECT_FALSE(std::isnan(*distribution.moments().stddev()));
}

}  // namespace
}  // namespace monitoring::metrics
