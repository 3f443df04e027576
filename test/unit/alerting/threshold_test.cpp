#include "monitoring/alerting/threshold.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace monitoring::alerting {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Threshold cpu() {
  return Threshold::make("CpuHigh", Comparison::kGreater, 80, 95, 70).value();
}

std::vector<std::string> severities(const Outcome& outcome) {
  std::vector<std::string> found;
  for (const auto& element : outcome.value()) {
    found.emplace_back(element.labels.get("severity"));
  }
  return found;
}

using Severities = std::vector<std::string>;

/// Runs threshold and state machine together, as an evaluation does.
class Ladder {
 public:
  explicit Ladder(Threshold threshold) : threshold_(std::move(threshold)) {
    policy_.rule_name = threshold_.alert_name;
  }

  Severities at(Duration offset, std::optional<double> value) {
    const auto outcome = threshold_elements(threshold_, {{{{"host", "a"}}, value}}, instances_);
    instances_ = step(policy_, instances_, outcome, Instant{} + offset).instances;
    Severities firing;
    for (const auto& instance : instances_) {
      if (instance.state == AlertState::kFiring) {
        firing.emplace_back(instance.labels.get("severity"));
      }
    }
    return firing;
  }

  Policy policy_;
  Threshold threshold_;
  std::vector<Instance> instances_;
};

TEST(Threshold, LevelsFireAndResolveOnTheirOwn) {
  Ladder ladder(Threshold::make("CpuHigh", Comparison::kGreater, 80, 95, std::nullopt).value());
  EXPECT_EQ(ladder.at(minutes(0), 80), Severities{});
  EXPECT_EQ(ladder.at(minutes(1), 81), Severities{"warning"});
  EXPECT_EQ(ladder.at(minutes(2), 96), (Severities{"warning", "critical"}));
  EXPECT_EQ(ladder.at(minutes(3), 90), Severities{"warning"});
  EXPECT_EQ(ladder.at(minutes(4), 80), Severities{});
}

TEST(Threshold, HysteresisHoldsAFiringWarningUntilResolveAt) {
  Ladder ladder(cpu());
  EXPECT_EQ(ladder.at(minutes(0), 75), Severities{}) << "it does not start below the bound";
  EXPECT_EQ(ladder.at(minutes(1), 85), Severities{"warning"});
  EXPECT_EQ(ladder.at(minutes(2), 75), Severities{"warning"});
  EXPECT_EQ(ladder.at(minutes(3), 70), Severities{});
  EXPECT_EQ(ladder.at(minutes(4), 75), Severities{});
}

TEST(Threshold, HysteresisDoesNotHoldWhatIsOnlyPending) {
  Ladder ladder(cpu());
  ladder.policy_.for_duration = minutes(5);
  ladder.at(minutes(0), 85);
  ladder.at(minutes(1), 75);
  EXPECT_TRUE(ladder.instances_.empty());
}

TEST(Threshold, HysteresisWorksDownwards) {
  Ladder ladder(Threshold::make("DiskLow", Comparison::kLess, 20, 5, 30).value());
  EXPECT_EQ(ladder.at(minutes(0), 19), Severities{"warning"});
  EXPECT_EQ(ladder.at(minutes(1), 29), Severities{"warning"});
  EXPECT_EQ(ladder.at(minutes(2), 4), (Severities{"warning", "critical"}));
  EXPECT_EQ(ladder.at(minutes(3), 30), Severities{});
}

TEST(Threshold, NoSampleIsDecidedByNoDataForEveryLevel) {
  Ladder ladder(cpu());
  ladder.policy_.no_data = NoData::kKeep;
  ladder.at(minutes(0), 96);
  EXPECT_EQ(ladder.at(minutes(1), std::nullopt), (Severities{"critical", "warning"}));
  ladder.policy_.no_data = NoData::kOk;
  EXPECT_EQ(ladder.at(minutes(2), std::nullopt), Severities{});
}

TEST(Threshold, SeverityLaddersMayHaveAnyNames) {
  const auto p = Threshold::ladder("ErrorRate", Comparison::kGreaterEqual,
                                   {{"P0", 1, {}}, {"P1", 0.5, {}}, {"P3", 0.1, {}}});
  ASSERT_TRUE(p.ok());
  EXPECT_EQ(severities(threshold_elements(*p, {{{}, 0.5}}, {})), (Severities{"P1", "P3"}));
}

TEST(Threshold, AnInclusiveLevelIsMetAtItsBound) {
  const auto depth = Threshold::ladder("QueueDepth", Comparison::kGreater,
                                       {{"critical", 1000, {}}, {"warning", 100, {}, true}});
  ASSERT_TRUE(depth.ok());
  EXPECT_EQ(severities(threshold_elements(*depth, {{{}, 99}}, {})), Severities{});
  EXPECT_EQ(severities(threshold_elements(*depth, {{{}, 100}}, {})), Severities{"warning"});
  EXPECT_EQ(severities(threshold_elements(*depth, {{{}, 1000}}, {})), Severities{"warning"});
  EXPECT_EQ(severities(threshold_elements(*depth, {{{}, 1001}}, {})),
            (Severities{"critical", "warning"}));
}

TEST(Threshold, EachLevelOfALadderHasItsOwnResolveAt) {
  Ladder ladder(Threshold::ladder("Pool", Comparison::kGreater,
                                  {{"P0", 95, 90}, {"P1", 85, 80}, {"P2", 80, {}}})
                    .value());
  EXPECT_EQ(ladder.at(minutes(0), 96), (Severities{"P0", "P1", "P2"}));
  EXPECT_EQ(ladder.at(minutes(1), 91), (Severities{"P0", "P1", "P2"}));
  EXPECT_EQ(ladder.at(minutes(2), 90), (Severities{"P1", "P2"}));
  EXPECT_EQ(ladder.at(minutes(3), 80), Severities{});
}

TEST(Threshold, RefusesLaddersThatContradictThemselves) {
  const auto refused = [](Comparison comparison, std::vector<Level> levels) {
    return !Threshold::ladder("X", comparison, std::move(levels)).ok();
  };
  EXPECT_TRUE(refused(Comparison::kGreater, {{"P0", 1, {}}, {"P1", 2, {}}}));
  EXPECT_TRUE(refused(Comparison::kLess, {{"P0", 2, {}}, {"P1", 1, {}}}));
  EXPECT_TRUE(refused(Comparison::kGreater, {{"P0", 2, {}}, {"P0", 1, {}}}));
  EXPECT_TRUE(refused(Comparison::kGreater, {{"", 2, {}}}));
  EXPECT_TRUE(refused(Comparison::kGreaterEqual, {{"P0", 2, {}, true}}));
  EXPECT_TRUE(refused(Comparison::kGreater, {{"P0", 2, {}, true}, {"P1", 2, {}}}));
  EXPECT_FALSE(refused(Comparison::kGreater, {{"P0", 2, {}}, {"P1", 2, {}, true}}));
  EXPECT_FALSE(refused(Comparison::kEqual, {{"P0", 1, {}}, {"P1", 2, {}}}));
  std::vector<Level> many;
  for (int i = 0; i <= 16; ++i) many.push_back({"P" + std::to_string(i), 100.0 - i, {}});
  EXPECT_TRUE(refused(Comparison::kGreater, many));
}

TEST(Threshold, CriticalInhibitsWarningOfTheSameLabelsOnly) {
  const auto threshold = cpu();
  Policy policy;
  const auto elements =
      threshold_elements(threshold, {{{{"host", "a"}}, 99}, {{{"host", "b"}}, 85}}, {});
  const auto instances = step(policy, {}, elements, Instant{}).instances;
  const Labels warning_a{{"alertname", "CpuHigh"}, {"host", "a"}, {"severity", "warning"}};
  EXPECT_EQ(inhibited_by_severer_level(threshold, instances),
            std::vector<std::uint64_t>{warning_a.fingerprint()});
}

TEST(Threshold, APendingCriticalInhibitsNothing) {
  const auto threshold = cpu();
  Policy policy;
  policy.for_duration = minutes(5);
  const auto elements = threshold_elements(threshold, {{{}, 99}}, {});
  const auto instances = step(policy, {}, elements, Instant{}).instances;
  EXPECT_TRUE(inhibited_by_severer_level(threshold, instances).empty());
}

TEST(Threshold, RefusesWhatCannotBeMeant) {
  const auto refused = [](Comparison comparison, std::optional<double> warning,
                          std::optional<double> critical, std::optional<double> resolve_at) {
    return !Threshold::make("X", comparison, warning, critical, resolve_at).ok();
  };
  EXPECT_TRUE(refused(Comparison::kGreater, {}, {}, {}));
  EXPECT_TRUE(refused(Comparison::kGreater, 90, 80, {}));
  EXPECT_TRUE(refused(Comparison::kLess, 5, 20, {}));
  EXPECT_TRUE(refused(Comparison::kGreater, 80, 95, 81));
  EXPECT_TRUE(refused(Comparison::kLess, 20, 5, 19));
  EXPECT_TRUE(refused(Comparison::kEqual, 1, {}, 0));
  EXPECT_TRUE(refused(Comparison::kGreater, kNaN, {}, {}));
  EXPECT_FALSE(refused(Comparison::kGreater, {}, 95, 90));
}

TEST(Threshold, ReservedLabelsInASampleAreAnError) {
  EXPECT_FALSE(threshold_elements(cpu(), {{{{"severity", "x"}}, 99}}, {}).ok());
}

TEST(Threshold, ComparisonsAndAggregatesHaveTexts) {
  for (const char* text : {">", ">=", "<", "<=", "=", "!="}) {
    EXPECT_EQ(to_text(*comparison_from_text(text)), text);
  }
  for (const char* text : {"avg", "max", "min", "sum", "last", "p95", "rate"}) {
    EXPECT_EQ(to_text(*aggregate_from_text(text)), text);
  }
  EXPECT_FALSE(comparison_from_text("=="));
  EXPECT_FALSE(aggregate_from_text("median"));
  EXPECT_TRUE(holds(Comparison::kGreaterEqual, 1, 1));
  EXPECT_TRUE(holds(Comparison::kNotEqual, 1, 2));
  EXPECT_FALSE(holds(Comparison::kLess, kNaN, 1));
  EXPECT_FALSE(holds(Comparison::kGreater, kNaN, 1));
}

TEST(Baseline, IsTheMedianOfTheSameHourOfPreviousDays) {
  const Instant now{hours(24 * 100 + 9) + minutes(30)};
  std::vector<HourlyPoint> points;
  for (int day = 1; day <= 7; ++day) {
    points.push_back({Instant{hours(24 * (100 - day) + 9)}, day == 3 ? 1000.0 : 10.0 + day});
    points.push_back({Instant{hours(24 * (100 - day) + 10)}, 500.0});
  }
  points.push_back({Instant{hours(24 * 100 + 9)}, 7777.0});  // the hour itself
  points.push_back({Instant{hours(24 * 92 + 9)}, 8888.0});   // too long ago
  EXPECT_EQ(same_hour_baseline(points, now, 7, 3), 15.0);
  EXPECT_EQ(same_hour_baseline(points, now, 2, 2), 11.5);
  EXPECT_FALSE(same_hour_baseline(points, now, 2, 3));
  EXPECT_FALSE(same_hour_baseline({}, now, 7, 0));
}

}  // namespace
}  // namespace monitoring::alerting
