#include "monitoring/base/distinct.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace monitoring {
namespace {

TEST(Distinct, TellsKindsFromASample) {
  std::mt19937_64 random(11);
  for (const std::size_t kinds : {10u, 1000u, 20'000u, 60'000u}) {
    constexpr std::size_t kDrawn = 5000;
    std::set<std::uint64_t> seen;
    for (std::size_t i = 0; i < kDrawn; ++i) seen.insert(random() % kinds);
    const double told = expected_kinds(kDrawn, seen.size());
    EXPECT_NEAR(told, static_cast<double>(kinds), 0.25 * static_cast<double>(kinds));
  }
}

TEST(Distinct, NothingDrawnTwiceMeansMany) {
  EXPECT_EQ(expected_kinds(4000, 4000), 8e6);
  EXPECT_EQ(expected_kinds(1, 1), 0.5);
  EXPECT_GT(expected_kinds(4000, 3999), 4e6);
}

TEST(Distinct, OneKindAndNone) {
  EXPECT_EQ(expected_kinds(4000, 0), 0);
  EXPECT_NEAR(expected_kinds(4000, 1), 1, 0.01);
  EXPECT_GE(expected_kinds(2, 1), 1);
}

}  // namespace
}  // namespace monitoring
