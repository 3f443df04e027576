#pragma once
// An alert instance: one label set of one rule, and where it stands. Plain structs, so that they
// can be kept as rows and loaded again exactly (src/alerting/README.md has the state diagram).

#include <cstdint>
#include <optional>
#include <string_view>

#include "monitoring/base/clock.hpp"
#include "monitoring/base/labels.hpp"

namespace monitoring::alerting {

/// kInactive stands for "there is no instance": it appears in transitions only, never in a row.
enum class AlertState { kInactive, kPending, kFiring, kResolved };

/// What an instance stands for.
enum class Origin {
  kElement,           ///< a row of the rule's result, or a level of a threshold
  kRuleError,         ///< on_error = 'alert': the rule's error counts as its alert
  kEvaluationFailed,  ///< the RuleEvaluationFailed alert that every failing rule raises
};

/// Why a state changed; the words of alert_history.cause.
enum class Cause {
  kConditionMet,         ///< the element appeared
  kForElapsed,           ///< it has been there for the rule's `for`
  kConditionCleared,     ///< it is gone (and keep_firing_for, if any, has passed)
  kForRaised,            ///< the rule's `for` was raised beyond the element's age
  kNoData,               ///< NULL value under no_data = 'alert', or gone quiet under 'ok'
  kEvaluationFailed,     ///< the rule could not be evaluated
  kEvaluationRecovered,  ///< it could again
};

std::string_view to_text(AlertState state);
std::string_view to_text(Origin origin);
std::string_view to_text(Cause cause);
std::optional<AlertState> alert_state_from_text(std::string_view text);
std::optional<Origin> origin_from_text(std::string_view text);

struct Instance {
  /// The identity: with alertname and severity, without __name__.
  Labels labels;
  /// labels.fingerprint(), kept beside them because it is the key of the row.
  std::uint64_t fingerprint = 0;
  Origin origin = Origin::kElement;
  AlertState state = AlertState::kPending;
  /// Rendered; not part of the identity.
  Labels annotations;
  /// Of the newest evaluation that had one; none where the rule gave NULL, and for errors.
  std::optional<double> value;
  /// When the element appeared; `for` counts from here.
  Instant active_at{};
  std::optional<Instant> fired_at;
  std::optional<Instant> resolved_at;
  /// The first evaluation that missed the element of a firing instance, while keep_firing_for runs.
  std::optional<Instant> keep_firing_since;

  bool active() const { return state == AlertState::kPending || state == AlertState::kFiring; }
};

/// One change of state, with the instance as it is after it (also when it has been removed).
/// Receivers are told of changes to kFiring and kResolved, and of kFiring -> kPending (the rule's
/// `for` was raised) as of a resolution; kPending -> kInactive is for the history only.
struct Transition {
  Instance instance;
  AlertState from = AlertState::kInactive;
  AlertState to = AlertState::kInactive;
  Instant at{};
  Cause cause = Cause::kConditionMet;
};

}  // namespace monitoring::alerting
