#include "monitoring/metrics/summary.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "monitoring/metrics/distribution.hpp"

namespace monitoring::metrics {
namespace {

Summary summary_of_values(const std::vector<double>& values) {
  Distribution distribution;
  for (const double value : values) distribution.add(value);
  return summary_of(distribution.moments(), distribution.sketch());
}

TEST(Summary, OfNothingIsNothing) {
  for (const auto& values : {std::vector<double>{}, std::vector<double>{NAN, INFINITY}}) {
    const Summary summary = summary_of_values(values);
    EXPECT_FALSE(summary.average || summary.stddev || summary.p50 || summary.p95 || summary.p99);
  }
}

TEST(Summary, PercentilesDoNotLeaveTheExtremes) {
  const Summary summary = summary_of_values({7, NAN});
  EXPECT_EQ(summary.average, 7);
  EXPECT_FALSE(summary.stddev);
  EXPECT_EQ(summary.p50, 7);
  EXPECT_EQ(summary.p99, 7);
}

TEST(Summary, OfAHundredValues) {
  std::vector<double> values;
  for (int i = 1; i <= 100; ++i) values.push_back(i);
  const Summary summary = summary_of_values(values);
  EXPECT_EQ(summary.average, 50.5);
  EXPECT_NEAR(*summary.stddev, 29.011491975882016, 1e-12);
  EXPECT_NEAR(*summary.p50, 50.5, 0.505);
  EXPECT_NEAR(*summary.p95, 95.05, 0.9505);
  EXPECT_NEAR(*summary.p99, 99.01, 0.9901);
}

TEST(Summary, OfAnUnknownDistributionIsTheAverage) {
  Moments adopted;
  adopted.count = 4;
  adopted.sum = 10;
  adopted.m2 = NAN;
  const Summary summary = summary_of(adopted, Sketch());
  EXPECT_EQ(summary.average, 2.5);
  EXPECT_FALSE(summary.stddev || summary.p50 || summary.p95 || summary.p99);
}

TEST(Summary, AnOverflowIsNoUnknownDistribution) {
  constexpr double kMax = std::numeric_limits<double>::max();
  const Summary summary = summary_of_values({kMax, kMax, kMax});
  EXPECT_TRUE(std::isinf(*summary.average));
  EXPECT_NEAR(*summary.p50 / kMax, 1, 0.01);
}

}  // namespace
}  // namespace monitoring::metrics
