#include "monitoring/base/time_budget.hpp"

#include <gtest/gtest.h>

#include <random>

#include "monitoring/base/run_grid.hpp"

namespace monitoring {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

std::vector<Load> at(const std::vector<Load>& loads, const std::vector<Duration>& intervals) {
  std::vector<Load> result;
  for (std::size_t i = 0; i < loads.size(); ++i) result.push_back({loads[i].cost, intervals[i]});
  return result;
}

TEST(TimeBudget, WhatFitsRunsAsItWants) {
  const std::vector<Load> loads{{milliseconds(10), seconds(30)}, {milliseconds(500), minutes(1)}};
  EXPECT_EQ(intervals_within(loads, 0.02), (std::vector<Duration>{seconds(30), minutes(1)}));
  EXPECT_TRUE(intervals_within({}, 0.02).empty());
}

TEST(TimeBudget, TheDearestAreStretched) {
  // 5/60 and 1/10 of the time; the cheap one leaves 0.02 - 0.0001 to both.
  const std::vector<Load> loads{
      {seconds(5), minutes(1)}, {milliseconds(6), minutes(1)}, {seconds(1), seconds(10)}};
  const auto intervals = intervals_within(loads, 0.02);
  EXPECT_EQ(intervals[1], minutes(1));
  EXPECT_NEAR(intervals[0].count() / 1e6, 5 / 0.00995, 0.01);
  EXPECT_NEAR(intervals[2].count() / 1e6, 1 / 0.00995, 0.01);
  EXPECT_NEAR(share_of(at(loads, intervals)), 0.02, 1e-6);
}

TEST(TimeBudget, AloneItTakesAllOfIt) {
  EXPECT_EQ(intervals_within({{seconds(1), seconds(2)}}, 0.1), std::vector<Duration>{seconds(10)});
}

TEST(TimeBudget, WhatTakesNothingIsNotStretched) {
  const auto intervals =
      intervals_within({{Duration(0), seconds(1)}, {seconds(9), seconds(1)}}, 0.5);
  EXPECT_EQ(intervals[0], seconds(1));
  EXPECT_EQ(intervals[1], seconds(18));
}

TEST(TimeBudget, HoldsForAnyLoads) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<Load> loads(1 + random() % 40);
    for (Load& load : loads) {
      load = {Duration(random() % 10'000'000), seconds(1 + random() % 600)};
    }
    const double share = 0.001 + static_cast<double>(random() % 1000) / 1000;
    const auto intervals = intervals_within(loads, share);
    EXPECT_LE(share_of(at(loads, intervals)), share * 1.000001 + 1e-9);
    for (std::size_t i = 0; i < loads.size(); ++i) EXPECT_GE(intervals[i], loads[i].every);
    if (share_of(loads) > share) {
      EXPECT_GE(share_of(at(loads, intervals)), share * 0.999) << "and no more than needed";
    }
  }
}

/// An hour of one process that runs what is due: how much of it was work.
double busy_share(const std::vector<Load>& loads, const std::vector<Duration>& intervals) {
  Instant now{hours(24 * 365 * 50)};
  const Instant end = now + hours(1);
  std::vector<Instant> due(loads.size(), now);
  Duration busy{0};
  while (now < end) {
    const auto next = std::min_element(due.begin(), due.end());
    now = std::max(now, *next);
    const auto which = static_cast<std::size_t>(next - due.begin());
    const auto on_grid =
        next_run(std::to_string(which), *next, now, loads[which].every, 0, hours(1));
    *next = std::max(on_grid.at, now + intervals[which]);
    now += loads[which].cost;
    busy += loads[which].cost;
  }
  return static_cast<double>(busy.count()) / Duration(hours(1)).count();
}

TEST(TimeBudget, KeepsAProcessIdleOnAVirtualClock) {
  // 390 that are quick, 50 that hang for 5 s, 60 that take half a second.
  std::vector<Load> loads(390, {milliseconds(2), minutes(1)});
  loads.insert(loads.end(), 50, {seconds(5), minutes(1)});
  loads.insert(loads.end(), 60, {milliseconds(500), minutes(1)});
  std::vector<Duration> asked;
  for (const Load& load : loads) asked.push_back(load.every);
  EXPECT_GT(busy_share(loads, asked), 0.99) << "there is no time for all of it";
  // The first run of each is made at once: 5 s each, whatever comes after.
  const double first_runs = (390 * 0.002 + 50 * 5 + 60 * 0.5) / 3600;
  const auto intervals = intervals_within(loads, 0.02);
  EXPECT_LE(busy_share(loads, intervals), 0.02 + first_runs);
  EXPECT_EQ(intervals[0], minutes(1)) << "the quick ones run as they want to";
}

}  // namespace
}  // namespace monitoring
