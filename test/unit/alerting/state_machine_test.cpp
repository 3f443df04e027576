#include "monitoring/alerting/state_machine.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace monitoring::alerting {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

const Instant kStart{std::chrono::hours(1000)};

Element element(const std::string& job, std::optional<double> value = 1.0) {
  Element result;
  result.labels = {{"alertname", "Rule"}, {"job", job}, {"severity", "warning"}};
  result.value = value;
  return result;
}

/// Feeds the result of every step into the next one, as the store does.
class Machine {
 public:
  Policy policy;
  Step last;

  Machine() {
    policy.rule_name = "Rule";
    policy.rule_labels = {{"alertname", "Rule"}, {"severity", "warning"}};
  }

  const Step& at(Duration offset, const Outcome& outcome) {
    last = step(policy, last.instances, outcome, kStart + offset);
    return last;
  }

  const Instance* find(const std::string& job) const {
    for (const auto& instance : last.instances) {
      if (instance.labels.get("job") == job) return &instance;
    }
    return nullptr;
  }

  const Instance* find(Origin origin) const {
    for (const auto& instance : last.instances) {
      if (instance.origin == origin) return &instance;
    }
    return nullptr;
  }
};

Outcome elements(std::vector<Element> list) {
  return list;
}
Outcome nothing() {
  return std::vector<Element>{};
}

TEST(StateMachine, ForDurationStartsPendingAndActiveAtIsTheFirstEvaluation) {
  Machine machine;
  machine.policy.for_duration = minutes(5);
  machine.at(seconds(0), elements({element("a")}));
  ASSERT_EQ(machine.last.instances.size(), 1U);
  EXPECT_EQ(machine.find("a")->state, AlertState::kPending);
  EXPECT_EQ(machine.find("a")->active_at, kStart);
  EXPECT_FALSE(machine.find("a")->fired_at);
  ASSERT_EQ(machine.last.transitions.size(), 1U);
  EXPECT_EQ(machine.last.transitions[0].to, AlertState::kPending);
}

TEST(StateMachine, StaysPendingWhileYoungerThanForAndFiresExactlyWhenAsOldAsFor) {
  Machine machine;
  machine.policy.for_duration = minutes(5);
  machine.at(seconds(0), elements({element("a")}));
  machine.at(minutes(5) - Duration(1), elements({element("a")}));
  EXPECT_EQ(machine.find("a")->state, AlertState::kPending);
  EXPECT_TRUE(machine.last.transitions.empty());
  machine.at(minutes(5), elements({element("a")}));
  EXPECT_EQ(machine.find("a")->state, AlertState::kFiring);
  EXPECT_EQ(machine.find("a")->fired_at, kStart + minutes(5));
  EXPECT_EQ(machine.find("a")->active_at, kStart);
  ASSERT_EQ(machine.last.transitions.size(), 1U);
  EXPECT_EQ(machine.last.transitions[0].from, AlertState::kPending);
  EXPECT_EQ(machine.last.transitions[0].cause, Cause::kForElapsed);
}

TEST(StateMachine, ZeroForFiresAtOnceWithoutAPendingState) {
  Machine machine;
  machine.at(seconds(7), elements({element("a")}));
  EXPECT_EQ(machine.find("a")->state, AlertState::kFiring);
  EXPECT_EQ(machine.find("a")->active_at, kStart + seconds(7));
  ASSERT_EQ(machine.last.transitions.size(), 1U);
  EXPECT_EQ(machine.last.transitions[0].from, AlertState::kInactive);
  EXPECT_EQ(machine.last.transitions[0].to, AlertState::kFiring);
}

TEST(StateMachine, ForShorterThanTheIntervalFiresAtTheNextEvaluation) {
  Machine machine;
  machine.policy.for_duration = seconds(10);
  machine.at(seconds(0), elements({element("a")}));
  EXPECT_EQ(machine.find("a")->state, AlertState::kPending);
  machine.at(minutes(1), elements({element("a")}));
  EXPECT_EQ(machine.find("a")->state, AlertState::kFiring);
  EXPECT_EQ(machine.find("a")->fired_at, kStart + minutes(1));
}

TEST(StateMachine, EveryElementIsAnInstanceOfItsOwn) {
  Machine machine;
  machine.at(seconds(0), elements({element("a"), element("b")}));
  machine.at(minutes(1), elements({element("b")}));
  EXPECT_EQ(machine.find("a")->state, AlertState::kResolved);
  EXPECT_EQ(machine.find("b")->state, AlertState::kFiring);
}

TEST(StateMachine, PendingThatIsGoneIsRemovedAndTellsNobody) {
  Machine machine;
  machine.policy.for_duration = minutes(5);
  machine.at(seconds(0), elements({element("a")}));
  const auto fingerprint = machine.find("a")->fingerprint;
  machine.at(minutes(1), nothing());
  EXPECT_TRUE(machine.last.instances.empty());
  EXPECT_EQ(machine.last.removed, std::vector<std::uint64_t>{fingerprint});
  ASSERT_EQ(machine.last.transitions.size(), 1U);
  EXPECT_EQ(machine.last.transitions[0].to, AlertState::kInactive);
}

TEST(StateMachine, PendingThatComesBackStartsItsForAgain) {
  Machine machine;
  machine.policy.for_duration = minutes(5);
  machine.at(minutes(0), elements({element("a")}));
  machine.at(minutes(4), nothing());
  machine.at(minutes(5), elements({element("a")}));
  EXPECT_EQ(machine.find("a")->state, AlertState::kPending);
  EXPECT_EQ(machine.find("a")->active_at, kStart + minutes(5));
}

TEST(StateMachine, FiringThatIsGoneResolvesAtOnceAndIsKeptFifteenMinutes) {
  Machine machine;
  machine.at(minutes(0), elements({element("a")}));
  machine.at(minutes(1), nothing());
  EXPECT_EQ(machine.find("a")->state, AlertState::kResolved);
  EXPECT_EQ(machine.find("a")->resolved_at, kStart + minutes(1));
  EXPECT_EQ(machine.find("a")->fired_at, kStart);
  ASSERT_EQ(machine.last.transitions.size(), 1U);
  EXPECT_EQ(machine.last.transitions[0].cause, Cause::kConditionCleared);

  machine.at(minutes(16), nothing());
  EXPECT_NE(machine.find("a"), nullptr);
  EXPECT_TRUE(machine.last.transitions.empty());
  machine.at(minutes(16) + seconds(1), nothing());
  EXPECT_EQ(machine.find("a"), nullptr);
  EXPECT_EQ(machine.last.removed.size(), 1U);
  EXPECT_TRUE(machine.last.transitions.empty());
}

TEST(StateMachine, AResolvedAlertThatComesBackIsANewAlert) {
  Machine machine;
  machine.policy.for_duration = minutes(1);
  machine.at(minutes(0), elements({element("a")}));
  machine.at(minutes(1), elements({element("a")}));
  machine.at(minutes(2), nothing());
  machine.at(minutes(3), elements({element("a")}));
  ASSERT_EQ(machine.last.instances.size(), 1U);
  EXPECT_EQ(machine.find("a")->state, AlertState::kPending);
  EXPECT_EQ(machine.find("a")->active_at, kStart + minutes(3));
  EXPECT_FALSE(machine.find("a")->fired_at);
  EXPECT_FALSE(machine.find("a")->resolved_at);
  ASSERT_EQ(machine.last.transitions.size(), 1U);
  EXPECT_EQ(machine.last.transitions[0].from, AlertState::kInactive);
}

TEST(StateMachine, KeepFiringForCountsFromTheFirstMissAndStartsAgainAfterAReturn) {
  Machine machine;
  machine.policy.keep_firing_for = minutes(5);
  machine.at(minutes(0), elements({element("a")}));
  machine.at(minutes(1), nothing());
  EXPECT_EQ(machine.find("a")->state, AlertState::kFiring);
  EXPECT_EQ(machine.find("a")->keep_firing_since, kStart + minutes(1));
  machine.at(minutes(5), elements({element("a")}));
  EXPECT_FALSE(machine.find("a")->keep_firing_since);
  machine.at(minutes(6), nothing());
  machine.at(minutes(11) - seconds(1), nothing());
  EXPECT_EQ(machine.find("a")->state, AlertState::kFiring);
  machine.at(minutes(11), nothing());
  EXPECT_EQ(machine.find("a")->state, AlertState::kResolved);
  EXPECT_EQ(machine.find("a")->resolved_at, kStart + minutes(11));
}

TEST(StateMachine, KeepFiringForDoesNotHoldAPendingAlert) {
  Machine machine;
  machine.policy.for_duration = minutes(5);
  machine.policy.keep_firing_for = minutes(5);
  machine.at(minutes(0), elements({element("a")}));
  machine.at(minutes(1), nothing());
  EXPECT_TRUE(machine.last.instances.empty());
}

TEST(StateMachine, RaisingForDemotesAFiringAlertThatIsTooYoung) {
  Machine machine;
  machine.policy.for_duration = minutes(1);
  machine.at(minutes(0), elements({element("a"), element("b")}));
  machine.at(minutes(1), elements({element("a"), element("b")}));
  machine.policy.for_duration = minutes(10);
  machine.at(minutes(2), elements({element("a"), element("b")}));
  EXPECT_EQ(machine.find("a")->state, AlertState::kPending);
  EXPECT_FALSE(machine.find("a")->fired_at);
  EXPECT_EQ(machine.find("a")->active_at, kStart);
  EXPECT_EQ(machine.last.transitions.at(0).cause, Cause::kForRaised);
  machine.at(minutes(10), elements({element("a"), element("b")}));
  EXPECT_EQ(machine.find("a")->state, AlertState::kFiring);
}

TEST(StateMachine, LoweringForFiresAPendingAlertThatIsOldEnough) {
  Machine machine;
  machine.policy.for_duration = minutes(10);
  machine.at(minutes(0), elements({element("a")}));
  machine.policy.for_duration = minutes(1);
  machine.at(minutes(2), elements({element("a")}));
  EXPECT_EQ(machine.find("a")->state, AlertState::kFiring);
}

TEST(StateMachine, AnnotationsAndValueAreRefreshedInEveryState) {
  Machine machine;
  machine.policy.for_duration = minutes(2);
  auto first = element("a", 1);
  first.annotations = {{"summary", "one"}};
  auto second = element("a", 2);
  second.annotations = {{"summary", "two"}};
  machine.at(minutes(0), elements({first}));
  machine.at(minutes(1), elements({second}));
  EXPECT_EQ(machine.find("a")->annotations.get("summary"), "two");
  EXPECT_EQ(machine.find("a")->value, 2);
  machine.at(minutes(2), elements({first}));
  EXPECT_EQ(machine.find("a")->state, AlertState::kFiring);
  machine.at(minutes(3), elements({second}));
  EXPECT_EQ(machine.find("a")->annotations.get("summary"), "two");
}

TEST(StateMachine, EqualLabelSetsAreAnErrorOfTheWholeRule) {
  Machine machine;
  machine.at(minutes(0), elements({element("a"), element("c")}));
  machine.at(minutes(1), elements({element("b"), element("b"), element("a")}));
  ASSERT_TRUE(machine.last.error);
  EXPECT_NE(machine.last.error->message.find("job=\"b\""), std::string::npos);
  EXPECT_EQ(machine.find("b"), nullptr);
  EXPECT_EQ(machine.find("c")->state, AlertState::kFiring);
  EXPECT_NE(machine.find(Origin::kEvaluationFailed), nullptr);
}

TEST(StateMachine, EqualLabelSetsAreAnErrorAlsoWhereTheValueIsNull) {
  Machine machine;
  machine.at(minutes(0), elements({element("b", std::nullopt), element("b")}));
  EXPECT_TRUE(machine.last.error);
}

TEST(StateMachine, AnErrorHoldsStateAndRaisesAnAlertOfItsOwn) {
  Machine machine;
  machine.policy.for_duration = minutes(5);
  machine.at(minutes(0), elements({element("a", 7)}));
  const auto before = *machine.find("a");
  machine.at(minutes(10), Error::of("division by zero"));
  EXPECT_EQ(machine.find("a")->state, AlertState::kPending);
  EXPECT_EQ(machine.find("a")->active_at, before.active_at);
  EXPECT_EQ(machine.find("a")->value, 7);
  const auto* failed = machine.find(Origin::kEvaluationFailed);
  ASSERT_NE(failed, nullptr);
  EXPECT_EQ(failed->state, AlertState::kFiring);
  EXPECT_EQ(failed->labels.get("alertname"), "RuleEvaluationFailed");
  EXPECT_EQ(failed->labels.get("rule_name"), "Rule");
  EXPECT_EQ(failed->annotations.get("description"), "division by zero");

  machine.at(minutes(11), Error::of("division by zero"));
  EXPECT_TRUE(machine.last.transitions.empty());
  machine.at(minutes(12), elements({element("a", 7)}));
  EXPECT_EQ(machine.find("a")->state, AlertState::kFiring);
  EXPECT_EQ(machine.find(Origin::kEvaluationFailed)->state, AlertState::kResolved);
}

TEST(StateMachine, OnErrorAlertCountsTheErrorAsTheRulesAlertUnderItsFor) {
  Machine machine;
  machine.policy.on_error = OnError::kAlert;
  machine.policy.for_duration = minutes(2);
  machine.at(minutes(0), Error::of("broken"));
  ASSERT_NE(machine.find(Origin::kRuleError), nullptr);
  EXPECT_EQ(machine.find(Origin::kRuleError)->state, AlertState::kPending);
  machine.at(minutes(2), Error::of("broken"));
  EXPECT_EQ(machine.find(Origin::kRuleError)->state, AlertState::kFiring);
  EXPECT_EQ(machine.find(Origin::kRuleError)->labels.get("alertname"), "Rule");
  machine.at(minutes(3), nothing());
  EXPECT_EQ(machine.find(Origin::kRuleError)->state, AlertState::kResolved);
  EXPECT_EQ(machine.last.transitions.at(0).cause, Cause::kEvaluationRecovered);
}

TEST(StateMachine, OnErrorResolveResolvesFiringAndRemovesPending) {
  Machine machine;
  machine.policy.on_error = OnError::kResolve;
  machine.policy.keep_firing_for = minutes(5);
  machine.policy.for_duration = minutes(1);
  machine.at(minutes(0), elements({element("a")}));
  machine.at(minutes(1), elements({element("a"), element("b")}));
  machine.at(minutes(1) + seconds(30), Error::of("broken"));
  EXPECT_EQ(machine.find("a")->state, AlertState::kResolved);
  EXPECT_EQ(machine.find("b"), nullptr);
}

TEST(StateMachine, NullValueUnderOkIsAsIfTheElementWereAbsent) {
  Machine machine;
  machine.at(minutes(0), elements({element("a"), element("b", std::nullopt)}));
  EXPECT_EQ(machine.find("b"), nullptr);
  machine.at(minutes(1), elements({element("a", std::nullopt)}));
  EXPECT_EQ(machine.find("a")->state, AlertState::kResolved);
  EXPECT_EQ(machine.last.transitions.at(0).cause, Cause::kNoData);
}

TEST(StateMachine, NullValueUnderAlertAlerts) {
  Machine machine;
  machine.policy.no_data = NoData::kAlert;
  machine.at(minutes(0), elements({element("a", std::nullopt)}));
  EXPECT_EQ(machine.find("a")->state, AlertState::kFiring);
  EXPECT_FALSE(machine.find("a")->value);
  EXPECT_EQ(machine.last.transitions.at(0).cause, Cause::kNoData);
}

TEST(StateMachine, NullValueUnderKeepHoldsStateAndTimers) {
  Machine machine;
  machine.policy.no_data = NoData::kKeep;
  machine.policy.for_duration = minutes(5);
  machine.at(minutes(0), elements({element("a", 3)}));
  machine.at(minutes(6), elements({element("a", std::nullopt), element("b", std::nullopt)}));
  EXPECT_EQ(machine.find("a")->state, AlertState::kPending);
  EXPECT_EQ(machine.find("a")->value, 3);
  EXPECT_EQ(machine.find("b"), nullptr);
  machine.at(minutes(7), elements({element("a", 3)}));
  EXPECT_EQ(machine.find("a")->state, AlertState::kFiring);
}

TEST(StateMachine, MoreInstancesThanTheLimitAreAnErrorAndChangeNothing) {
  Machine machine;
  machine.policy.max_instances = 2;
  machine.at(minutes(0), elements({element("a"), element("b")}));
  machine.at(minutes(1), elements({element("b"), element("c"), element("d")}));
  ASSERT_TRUE(machine.last.error);
  EXPECT_EQ(machine.find("a")->state, AlertState::kFiring);
  EXPECT_EQ(machine.find("c"), nullptr);
  EXPECT_EQ(machine.last.instances.size(), 3U);  // with RuleEvaluationFailed
}

TEST(StateMachine, LabelSetsThatComeAndGoDoNotPileUp) {
  Machine machine;
  machine.policy.max_instances = 3;
  for (int i = 0; i < 50; ++i) {
    machine.at(seconds(i), elements({element("a" + std::to_string(i))}));
    EXPECT_LE(machine.last.instances.size(), 4U);
  }
  EXPECT_NE(machine.find("a48"), nullptr);
  EXPECT_EQ(machine.find("a10"), nullptr);
}

TEST(StateMachine, SaysWhatChangedMateriallyAndWhatOnlyInValue) {
  Machine machine;
  auto a = element("a", std::numeric_limits<double>::quiet_NaN());
  machine.at(minutes(0), elements({a}));
  EXPECT_EQ(machine.last.changes.at(0), Change::kMaterial);
  machine.at(minutes(1), elements({a}));
  EXPECT_EQ(machine.last.changes.at(0), Change::kNone);
  a.value = 4;
  machine.at(minutes(2), elements({a}));
  EXPECT_EQ(machine.last.changes.at(0), Change::kValue);
  a.annotations = {{"summary", "it is 4"}};
  a.annotations_follow_value = true;
  machine.at(minutes(3), elements({a}));
  EXPECT_EQ(machine.last.changes.at(0), Change::kValue);
  a.annotations_follow_value = false;
  a.annotations = {{"summary", "another text"}};
  machine.at(minutes(4), elements({a}));
  EXPECT_EQ(machine.last.changes.at(0), Change::kMaterial);
  machine.at(minutes(5), nothing());
  EXPECT_EQ(machine.last.changes.at(0), Change::kMaterial);
}

TEST(StateMachine, ARestartChangesNothingBecauseTimersAreInTheInstances) {
  Machine machine;
  machine.policy.for_duration = minutes(10);
  machine.policy.keep_firing_for = minutes(10);
  machine.at(minutes(0), elements({element("a"), element("b")}));
  machine.at(minutes(9), elements({element("a"), element("b")}));
  // Down from minute 9 to minute 30; the rows are all there is.
  Machine restarted;
  restarted.policy = machine.policy;
  restarted.last.instances = machine.last.instances;
  restarted.at(minutes(30), elements({element("a")}));
  EXPECT_EQ(restarted.find("a")->state, AlertState::kFiring);
  EXPECT_EQ(restarted.find("a")->active_at, kStart);
  EXPECT_EQ(restarted.find("b"), nullptr);
  restarted.at(minutes(31), nothing());
  EXPECT_EQ(restarted.find("a")->state, AlertState::kFiring);
  EXPECT_EQ(restarted.find("a")->keep_firing_since, kStart + minutes(31));
}

TEST(StateMachine, EnumsHaveTextsThatReadBack) {
  EXPECT_EQ(alert_state_from_text(to_text(AlertState::kResolved)), AlertState::kResolved);
  EXPECT_EQ(origin_from_text(to_text(Origin::kRuleError)), Origin::kRuleError);
  EXPECT_EQ(to_text(Cause::kForElapsed), "for elapsed");
  EXPECT_EQ(no_data_from_text("keep"), NoData::kKeep);
  EXPECT_EQ(on_error_from_text("alert"), OnError::kAlert);
  EXPECT_FALSE(no_data_from_text("OK"));
  EXPECT_FALSE(on_error_from_text(""));
  EXPECT_FALSE(alert_state_from_text("burning"));
}

}  // namespace
}  // namespace monitoring::alerting
