#pragma once
// Escalation: a firing alert that nobody acknowledges is told to more and more receivers.
//
// A policy is a list of steps; each names a receiver and how long after the alert began to fire it
// is told. Acknowledging an alert, or calling it a false positive, stops the steps that are left.
// While nobody can be told (silences, inhibition, times of routes) the steps wait; they are counted
// anew from when somebody can. A receiver that was reached is not told again, whatever becomes of
// the policy, and is told of the resolution whatever its send_resolved says.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/base/clock.hpp"
#include "monitoring/base/labels.hpp"
#include "monitoring/base/result.hpp"
#include "monitoring/dispatch/matcher.hpp"

namespace monitoring::dispatch {

struct EscalationStep {
  /// Counted from the instant at which the alert began to fire, or could be told again. Zero is at
  /// once.
  Duration after{};
  std::string receiver;
};

struct EscalationPolicy {
  std::string name;
  /// The alerts that it is for.
  Matchers matchers;
  /// In ascending order of `after`.
  std::vector<EscalationStep> steps;
};

/// What is wrong with a policy, if anything: no name, no steps, a step without receiver, a negative
/// time, or steps that are out of order.
std::optional<Error> check_policy(const EscalationPolicy& policy);

/// The first policy that is for an alert with these labels, or null.
const EscalationPolicy* find_policy(const std::vector<EscalationPolicy>& policies,
                                    const Labels& labels);

/// Where one firing of one alert stands. Persisted; made anew when the alert fires again.
struct EscalationState {
  std::string fingerprint;
  /// The name of the policy that holds.
  std::string policy;
  /// Names the incident towards receivers: that of the policy under which it began.
  std::string group_key;
  Instant fired_at{};
  /// From when steps are counted; nothing while nobody can be told.
  std::optional<Instant> counted_from;
  /// How many of the policy's steps have been taken.
  std::uint32_t steps_taken = 0;
  /// Receivers that were told, each once, in the order in which they were reached.
  std::vector<std::string> reached;
  /// Those that were reached know that somebody took charge, and why the others are not.
  bool acknowledged = false;
};

/// What is known of the alert when its escalation is looked at.
struct EscalationInput {
  bool firing = true;
  bool acknowledged = false;
  bool false_positive = false;
  /// Inhibited, silenced, or all its routes are muted: nobody is told now, and the steps wait.
  bool suppressed = false;
  /// After it was suppressed: those whom its routes lead to have had their turn, so that nobody
  /// further up hears of it before them.
  bool can_be_told = true;
};

enum class EscalationOutcome {
  kEscalated,      // `receivers` are to be told that the alert fires and nobody took it
  kWaiting,        // the next step is not due yet
  kExhausted,      // every step has been taken
  kAcknowledged,   // stopped
  kFalsePositive,  // stopped
  kSuppressed,     // held back
  kResolved,       // over; `receivers` are to be told of the resolution
};

struct EscalationDecision {
  EscalationOutcome outcome = EscalationOutcome::kWaiting;
  /// To be told now.
  std::vector<std::string> receivers;
  /// In words, for the audit trail.
  std::string reason;
};

EscalationState start_escalation(const EscalationPolicy& policy, std::string fingerprint,
                                 Instant fired_at);

/// Goes on under another policy, or another name of the same: the incident stays the one it is.
void continue_escalation(EscalationState& state, const EscalationPolicy& policy);

/// Takes the steps that are due. After kResolved the state is to be deleted; receivers that the
/// alert's routes tell with send_resolved on anyway are the caller's to leave out.
EscalationDecision escalate(EscalationState& state, const EscalationPolicy& policy,
                            const EscalationInput& input, Instant now);

/// When the next step is due, or nothing where every step has been taken or the steps wait.
std::optional<Instant> next_escalation(const EscalationState& state,
                                       const EscalationPolicy& policy);

}  // namespace monitoring::dispatch
