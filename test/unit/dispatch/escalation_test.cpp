#include "monitoring/dispatch/escalation.hpp"

#include <gtest/gtest.h>

namespace monitoring::dispatch {
namespace {

using std::chrono::minutes;

const Instant kFired{std::chrono::hours(500)};

/// On-call at once, the CTO after 15 minutes, the board after an hour.
EscalationPolicy policy() {
  EscalationPolicy p;
  p.name = "p0";
  p.matchers = parse_matchers("severity=P0").value();
  p.steps = {{minutes(0), "sms"}, {minutes(15), "cto"}, {minutes(60), "board"}};
  return p;
}

std::string_view text_of(EscalationOutcome outcome) {
  switch (outcome) {
    case EscalationOutcome::kEscalated:
      return "escalated";
    case EscalationOutcome::kWaiting:
      return "waiting";
    case EscalationOutcome::kExhausted:
      return "exhausted";
    case EscalationOutcome::kAcknowledged:
      return "acknowledged";
    case EscalationOutcome::kFalsePositive:
      return "false_positive";
    case EscalationOutcome::kSuppressed:
      return "suppressed";
    case EscalationOutcome::kResolved:
      return "resolved";
  }
  return "";
}

class Escalation : public ::testing::Test {
 protected:
  /// The outcome after that many minutes, with the receivers that are told.
  std::string after(int elapsed) {
    const EscalationDecision decision =
        escalate(state_, policy_, input_, kFired + minutes(elapsed));
    reason_ = decision.reason;
    std::string text(text_of(decision.outcome));
    for (const std::string& receiver : decision.receivers) text += ' ' + receiver;
    return text;
  }

  EscalationPolicy policy_ = policy();
  EscalationState state_ = start_escalation(policy_, "f", kFired);
  EscalationInput input_;
  std::string reason_;
};

TEST_F(Escalation, StepsComeInTheirTime) {
  EXPECT_EQ(after(0), "escalated sms");
  EXPECT_EQ(after(14), "waiting");
  EXPECT_EQ(reason_, "receiver cto is told in 60 s");
  EXPECT_EQ(next_escalation(state_, policy_), kFired + minutes(15));
  EXPECT_EQ(after(15), "escalated cto");
  EXPECT_EQ(reason_, "not acknowledged for 900 s (policy p0)");
  EXPECT_EQ(after(16), "waiting");
  EXPECT_EQ(after(61), "escalated board");
  EXPECT_EQ(after(62), "exhausted");
  EXPECT_FALSE(next_escalation(state_, policy_).has_value());
}

TEST_F(Escalation, MissedStepsAreTakenTogether) {
  EXPECT_EQ(after(20), "escalated sms cto");
  EXPECT_EQ(state_.steps_taken, 2U);
}

TEST_F(Escalation, AcknowledgementStopsIt) {
  after(0);
  input_.acknowledged = true;
  EXPECT_EQ(after(20), "acknowledged");
  EXPECT_EQ(state_.steps_taken, 1U);
}

TEST_F(Escalation, FalsePositiveStopsIt) {
  input_.false_positive = true;
  EXPECT_EQ(after(20), "false_positive");
}

TEST_F(Escalation, StepsAreCountedFromWhenSomebodyCanBeTold) {
  input_.suppressed = true;
  EXPECT_EQ(after(20), "suppressed");
  EXPECT_FALSE(next_escalation(state_, policy_).has_value());
  input_.suppressed = false;
  input_.can_be_told = false;
  EXPECT_EQ(after(21), "waiting");
  EXPECT_EQ(reason_, "the steps wait for the alert's routes");
  input_.can_be_told = true;
  EXPECT_EQ(after(22), "escalated sms");
  input_.can_be_told = false;  // it only matters where the steps wait
  EXPECT_EQ(after(36), "waiting");
  EXPECT_EQ(after(37), "escalated cto");
}

TEST_F(Escalation, ASecondSuppressionStartsTheStepsAnewAndTellsNobodyTwice) {
  EXPECT_EQ(after(15), "escalated sms cto");
  input_.suppressed = true;
  EXPECT_EQ(after(16), "suppressed");
  input_.suppressed = false;
  EXPECT_EQ(after(100), "waiting");
  EXPECT_EQ(reason_, "receiver cto is told in 900 s");
  EXPECT_EQ(after(115), "waiting");
  EXPECT_EQ(after(160), "escalated board");
}

TEST_F(Escalation, AnotherPolicyGoesOnWithTheSameIncident) {
  EXPECT_EQ(after(15), "escalated sms cto");
  state_.group_key = "escalation p0:{}";
  policy_.name = "renamed";
  policy_.steps = {{minutes(10), "cto"}, {minutes(12), "desk"}, {minutes(60), "board"}};
  continue_escalation(state_, policy_);
  EXPECT_EQ(after(16), "escalated desk");
  EXPECT_EQ(state_.group_key, "escalation p0:{}");
  EXPECT_EQ(state_.steps_taken, 2U);
  EXPECT_EQ(state_.policy, "renamed");
  input_.firing = false;
  EXPECT_EQ(after(17), "resolved sms cto desk");
}

TEST_F(Escalation, WhoWasReachedIsToldOfTheResolution) {
  after(15);
  input_.firing = false;
  input_.acknowledged = true;
  EXPECT_EQ(after(20), "resolved sms cto");
}

TEST_F(Escalation, NobodyIsToldOfTheResolutionWhoWasNotReached) {
  input_.firing = false;
  EXPECT_EQ(after(1), "resolved");
}

TEST_F(Escalation, AReceiverInTwoStepsIsToldOnce) {
  policy_.steps[2].receiver = "sms";
  EXPECT_EQ(after(0), "escalated sms");
  EXPECT_EQ(after(60), "escalated cto");
  EXPECT_EQ(after(61), "exhausted");
}

TEST(EscalationPolicy, IsFoundByLabels) {
  const std::vector<EscalationPolicy> policies = {policy()};
  EXPECT_NE(find_policy(policies, {{"severity", "P0"}}), nullptr);
  EXPECT_EQ(find_policy(policies, {{"severity", "P1"}}), nullptr);
}

TEST(EscalationPolicy, IsChecked) {
  EXPECT_FALSE(check_policy(policy()).has_value());
  EscalationPolicy p = policy();
  p.steps[1].after = minutes(90);
  EXPECT_EQ(check_policy(p)->message, "escalation policy \"p0\": its steps are out of order");
  p.steps[1].after = minutes(-1);
  EXPECT_EQ(check_policy(p)->message, "escalation policy \"p0\": a step has a negative time");
  p.steps[1].receiver.clear();
  EXPECT_EQ(check_policy(p)->message, "escalation policy \"p0\": a step has no receiver");
  p.steps.clear();
  EXPECT_EQ(check_policy(p)->message, "escalation policy \"p0\": it has no steps");
  p.name.clear();
  EXPECT_EQ(check_policy(p)->message, "an escalation policy must have a name");
}

}  // namespace
}  // namespace monitoring::dispatch
