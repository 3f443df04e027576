#include "monitoring/base/instant_math.hpp"

#include <gtest/gtest.h>

namespace monitoring {
namespace {

constexpr Duration kUnit(1);
constexpr Instant kLatest = Instant::max() - kUnit;
constexpr Instant kEarliest = Instant::min() + kUnit;

TEST(InstantMath, AddsAndSubtracts) {
  const Instant at(std::chrono::hours(10));
  EXPECT_EQ(later(at, std::chrono::hours(2)), Instant(std::chrono::hours(12)));
  EXPECT_EQ(earlier(at, std::chrono::hours(2)), Instant(std::chrono::hours(8)));
  EXPECT_EQ(elapsed(earlier(at, kUnit), at), kUnit);
  EXPECT_EQ(elapsed(at, earlier(at, kUnit)), -kUnit);
}

TEST(InstantMath, EndsAtTheEdges) {
  for (const Instant from : {Instant(Duration(0)), kLatest, kEarliest}) {
    EXPECT_EQ(later(later(from, Duration::max()), Duration::max()), kLatest);
    EXPECT_EQ(earlier(earlier(from, Duration::max()), Duration::max()), kEarliest);
    EXPECT_EQ(earlier(from, Duration::min()) > from || from == kLatest, true);
  }
  EXPECT_EQ(elapsed(kEarliest, kLatest), Duration::max());
  EXPECT_EQ(elapsed(kLatest, kEarliest), Duration::min());
}

TEST(InstantMath, KeepsInfinities) {
  for (const Instant infinity : {Instant::min(), Instant::max()}) {
    for (const Duration by : {Duration::min(), Duration(-1), Duration(1), Duration::max()}) {
      EXPECT_EQ(later(infinity, by), infinity);
      EXPECT_EQ(earlier(infinity, by), infinity);
    }
    EXPECT_EQ(elapsed(infinity, infinity), Duration::zero());
  }
  EXPECT_EQ(elapsed(Instant::min(), Instant(Duration(0))), Duration::max());
  EXPECT_EQ(elapsed(Instant::max(), Instant(Duration(0))), Duration::min());
  EXPECT_EQ(elapsed(Instant(Duration(0)), Instant::max()), Duration::max());
  EXPECT_EQ(elapsed(Instant(Duration(0)), Instant::min()), Duration::min());
}

}  // namespace
}  // namespace monitoring
