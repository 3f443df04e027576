#include "monitoring/base/run_grid.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace monitoring {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const Instant kStart{hours(24 * 365 * 50)};

NextRun after(Instant due, Instant now, int failures = 0) {
  return next_run("a", due, now, minutes(1), failures, hours(1));
}

TEST(RunGrid, RunsLieOnAGrid) {
  Instant at = after(kStart, kStart).at;
  EXPECT_GT(at, kStart);
  EXPECT_LE(at, kStart + minutes(1));
  for (int i = 0; i < 3; ++i) {
    const NextRun next = after(at, at + seconds(7));
    EXPECT_EQ(next.at, at + minutes(1)) << "a late run does not move the grid";
    EXPECT_EQ(next.missed, 0);
    at = next.at;
  }
}

TEST(RunGrid, BeforeTheEpochToo) {
  const Instant at = after(Instant(hours(-5)), Instant(hours(-5))).at;
  EXPECT_GT(at, Instant(hours(-5)));
  EXPECT_LE(at, Instant(hours(-5)) + minutes(1));
}

TEST(RunGrid, MissedRunsAreSkippedAndCounted) {
  const Instant at = after(kStart, kStart).at;
  const NextRun next = after(at, at + minutes(5) + seconds(1));
  EXPECT_EQ(next.missed, 5);
  EXPECT_EQ(next.at, at + minutes(6));
}

TEST(RunGrid, ARunBeforeItsTimeMissesNothing) {
  const Instant at = after(kStart, kStart).at;
  EXPECT_EQ(after(at + hours(1), at).missed, 0);
}

TEST(RunGrid, NamesAreSpread) {
  std::set<Instant> times;
  for (int i = 0; i < 100; ++i) {
    times.insert(next_run("n" + std::to_string(i), kStart, kStart, minutes(1), 0, hours(1)).at);
  }
  EXPECT_GT(times.size(), 90U);
  EXPECT_LT(*times.begin(), kStart + seconds(10));
  EXPECT_GT(*times.rbegin(), kStart + seconds(50));
}

TEST(RunGrid, FailuresDoubleTheWaitUpToTheLongest) {
  EXPECT_EQ(after(kStart, kStart, 1).at, kStart + minutes(2));
  EXPECT_EQ(after(kStart, kStart, 3).at, kStart + minutes(8));
  EXPECT_EQ(after(kStart, kStart, 6).at, kStart + hours(1));
  EXPECT_EQ(after(kStart, kStart, 2000000000).at, kStart + hours(1));
}

TEST(RunGrid, WhatRunsSeldomIsNotRunMoreOftenAfterAFailure) {
  const NextRun next = next_run("a", kStart, kStart, hours(24), 5, hours(1));
  EXPECT_GE(next.at, kStart + hours(24));
}

/// As a table may hold it that no trigger has seen.
TEST(RunGrid, AnyIntervalAndAnyTimeGiveANextRun) {
  for (const Duration every : {Duration::min(), Duration(-1), Duration(0), Duration::max()}) {
    for (const Instant due : {Instant::min(), kStart, Instant::max()}) {
      const NextRun next = next_run("a", due, kStart, every, 2147483647, hours(1));
      EXPECT_GT(next.at, kStart);
      EXPECT_GE(next.missed, 0);
    }
  }
}

}  // namespace
}  // namespace monitoring
