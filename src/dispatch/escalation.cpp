#include "monitoring/dispatch/escalation.hpp"

#include <algorithm>

#include "monitoring/base/instant_math.hpp"

namespace monitoring::dispatch {

namespace {

Error policy_error(const EscalationPolicy& policy, const std::string& message) {
  return Error::of("escalation policy \"" + policy.name + "\": " + message);
}

std::string seconds_text(Duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(duration).count()) + " s";
}

/// Why no step may be taken, whatever the time.
std::optional<EscalationOutcome> stopped(const EscalationInput& input) {
  if (input.false_positive) return EscalationOutcome::kFalsePositive;
  if (input.acknowledged) return EscalationOutcome::kAcknowledged;
  if (input.suppressed) return EscalationOutcome::kSuppressed;
  return std::nullopt;
}

std::string stopped_reason(EscalationOutcome outcome) {
  switch (outcome) {
    case EscalationOutcome::kFalsePositive:
      return "the alert was marked as a false positive";
    case EscalationOutcome::kAcknowledged:
      return "the alert is acknowledged";
    default:
      return "the alert is inhibited, silenced, or muted by the times of its routes";
  }
}

/// Takes every step whose time has come, those that were taken before included: the policy may have
/// changed, or be counted anew. A receiver that was reached is not told again.
std::vector<std::string> take_due_steps(EscalationState& state, const EscalationPolicy& policy,
                                        Instant now) {
  std::vector<std::string> told;
  state.steps_taken = 0;
  for (auto due = next_escalation(state, policy); due && *due <= now;
       due = next_escalation(state, policy)) {
    const std::string& receiver = policy.steps[state.steps_taken++].receiver;
    const auto& reached = state.reached;
    if (std::find(reached.begin(), reached.end(), receiver) != reached.end()) continue;
    state.reached.push_back(receiver);
    told.push_back(receiver);
  }
  return told;
}

EscalationDecision waiting(const EscalationState& state, const EscalationPolicy& policy,
                           Instant now) {
  if (state.steps_taken >= policy.steps.size()) {
    return {EscalationOutcome::kExhausted, {}, "every step has been taken"};
  }
  const auto due = next_escalation(state, policy);
  if (!due) return {EscalationOutcome::kWaiting, {}, "the steps wait for the alert's routes"};
  return {EscalationOutcome::kWaiting,
          {},
          "receiver " + policy.steps[state.steps_taken].receiver + " is told in " +
              seconds_text(elapsed(now, *due))};
}

}  // namespace

std::optional<Error> check_policy(const EscalationPolicy& policy) {
  if (policy.name.empty()) return Error::of("an escalation policy must have a name");
  if (policy.steps.empty()) return policy_error(policy, "it has no steps");
  Duration last{};
  for (const EscalationStep& step : policy.steps) {
    if (step.receiver.empty()) return policy_error(policy, "a step has no receiver");
    if (step.after < Duration{}) return policy_error(policy, "a step has a negative time");
    if (step.after < last) return policy_error(policy, "its steps are out of order");
    last = step.after;
  }
  return std::nullopt;
}

const EscalationPolicy* find_policy(const std::vector<EscalationPolicy>& policies,
                                    const Labels& labels) {
  const auto at = std::find_if(policies.begin(), policies.end(), [&](const auto& policy) {
    return matches_all(policy.matchers, labels);
  });
  return at == policies.end() ? nullptr : &*at;
}

EscalationState start_escalation(const EscalationPolicy& policy, std::string fingerprint,
                                 Instant fired_at) {
  EscalationState state;
  state.fingerprint = std::move(fingerprint);
  state.policy = policy.name;
  state.fired_at = fired_at;
  state.counted_from = fired_at;
  return state;
}

void continue_escalation(EscalationState& state, const EscalationPolicy& policy) {
  state.policy = policy.name;
}

EscalationDecision escalate(EscalationState& state, const EscalationPolicy& policy,
                            const EscalationInput& input, Instant now) {
  if (!input.firing) {
    return {EscalationOutcome::kResolved, state.reached, "the alert resolved"};
  }
  if (input.suppressed) {
    state.counted_from.reset();
  } else if (!state.counted_from && input.can_be_told) {
    state.counted_from = now;
  }
  if (const auto outcome = stopped(input)) return {*outcome, {}, stopped_reason(*outcome)};
  std::vector<std::string> told = take_due_steps(state, policy, now);
  if (told.empty()) return waiting(state, policy, now);
  return {EscalationOutcome::kEscalated, std::move(told),
          "not acknowledged for " + seconds_text(elapsed(*state.counted_from, now)) + " (policy " +
              policy.name + ")"};
}

std::optional<Instant> next_escalation(const EscalationState& state,
                                       const EscalationPolicy& policy) {
  if (!state.counted_from || state.steps_taken >= policy.steps.size()) return std::nullopt;
  return later(*state.counted_from, policy.steps[state.steps_taken].after);
}

}  // namespace monitoring::dispatch
