#include "monitoring/metrics/moments.hpp"

#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <random>
#include <vector>

namespace monitoring::metrics {
namespace {

Moments moments_of(const std::vector<double>& values) {
  Moments moments;
  for (const double value : values) moments.add(value);
  return moments;
}

TEST(Moments, KnownSmallCase) {
  const Moments moments = moments_of({2, 4, 4, 4, 5, 5, 7, 9});
  EXPECT_EQ(moments.count, 8u);
  EXPECT_EQ(moments.total(), 40);
  EXPECT_EQ(moments.min, 2);
  EXPECT_EQ(moments.max, 9);
  EXPECT_DOUBLE_EQ(moments.mean, 5);
  EXPECT_DOUBLE_EQ(*moments.stddev(), std::sqrt(32.0 / 7));
}

TEST(Moments, NoSpreadBelowTwoValues) {
  EXPECT_FALSE(Moments().stddev().has_value());
  EXPECT_FALSE(moments_of({3}).stddev().has_value());
  EXPECT_EQ(*moments_of({3, 3}).stddev(), 0);
}

TEST(Moments, NonFiniteValuesAreCountedOnly) {
  const Moments moments = moments_of({NAN, 1, INFINITY, 3, -INFINITY});
  EXPECT_EQ(moments.count, 2u);
  EXPECT_EQ(moments.nonfinite_count, 3u);
  EXPECT_EQ(moments.rows(), 5u);
  EXPECT_EQ(moments.total(), 4);
  EXPECT_EQ(moments.max, 3);
}

TEST(Moments, SumKeepsWhatRoundingTakes) {
  std::vector<double> values{1e16};
  for (int i = 0; i < 1000; ++i) values.push_back(1);
  values.push_back(-1e16);
  EXPECT_EQ(moments_of(values).total(), 1000);
}

TEST(Moments, MergingEqualsAddingAll) {
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal(1e6, 3);
  for (int round = 0; round < 100; ++round) {
    Moments parts[3];
    Moments whole;
    for (int i = 0; i < 300; ++i) {
      const double value = i % 29 == 0 ? NAN : normal(random);
      parts[random() % 3].add(value);
      whole.add(value);
    }
    Moments merged;
    for (const Moments& part : parts) merged.merge(part);
    EXPECT_EQ(merged.count, whole.count);
    EXPECT_EQ(merged.nonfinite_count, whole.nonfinite_count);
    EXPECT_EQ(merged.min, whole.min);
    EXPECT_EQ(merged.max, whole.max);
    EXPECT_NEAR(merged.total(), whole.total(), 1e-6);
    EXPECT_NEAR(*merged.stddev(), *whole.stddev(), 1e-9);
  }
}

TEST(Moments, MergingNothingKeepsNonFiniteCounts) {
  Moments left = moments_of({NAN});
  left.merge(moments_of({NAN, NAN}));
  EXPECT_EQ(left.nonfinite_count, 3u);
  left.merge(moments_of({7, NAN}));
  EXPECT_EQ(left.nonfinite_count, 4u);
  EXPECT_EQ(left.min, 7);
}

TEST(Moments, OverflowNeverBecomesNan) {
  Moments moments = moments_of({DBL_MAX, -DBL_MAX, DBL_MAX, DBL_MAX, -DBL_MAX, -DBL_MAX});
  EXPECT_FALSE(std::isnan(moments.total()));
  EXPECT_FALSE(std::isnan(moments.mean));
  EXPECT_FALSE(std::isnan(*moments.stddev()));
  Moments huge = moments_of({DBL_MAX, DBL_MAX});
  EXPECT_TRUE(std::isinf(huge.total()));
  huge.merge(moments_of({-DBL_MAX, -DBL_MAX}));
  EXPECT_FALSE(std::isnan(huge.total()));
  EXPECT_FALSE(std::isnan(huge.mean));
  EXPECT_FALSE(std::isnan(*huge.stddev()));
}

}  // namespace
}  // namespace monitoring::metrics
