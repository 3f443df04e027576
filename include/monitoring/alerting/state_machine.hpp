#pragma once
// The alert state machine as a pure function: (policy, previous instances, outcome of one
// evaluation, now) -> (instances, transitions). It follows Prometheus (rules/alerting.go); where it
// does better on purpose (errors hold state, a restart keeps it exactly), src/alerting/README.md
// says so. Nothing here blocks, allocates without bound or asks for the time.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "monitoring/alerting/instance.hpp"
#include "monitoring/base/clock.hpp"
#include "monitoring/base/labels.hpp"
#include "monitoring/base/result.hpp"

namespace monitoring::alerting {

/// How long a resolved instance is kept, as in Prometheus.
constexpr Duration kResolvedRetention = std::chrono::minutes(15);
/// The alert that a failing rule raises beside its own instances, with the rule's own labels and
/// its severity, at least warning. No rule may have this name.
constexpr char kEvaluationFailedAlert[] = "RuleEvaluationFailed";
/// The alert that a receiver lost a notification and has taken none since; its label `receiver`
/// names it. No rule may have this name either.
constexpr char kNotificationFailedAlert[] = "NotificationFailed";

/// What a NULL value means for its label set.
enum class NoData {
  kOk,     ///< as if the element were absent
  kAlert,  ///< as if the condition were met
  kKeep,   ///< the instance stays exactly as it is, its timers included
};

/// What an error of the whole evaluation means. RuleEvaluationFailed is raised in any case.
enum class OnError {
  kKeep,     ///< every instance stays exactly as it is
  kAlert,    ///< the error is an alert of the rule: its own labels only; other instances stay
  kResolve,  ///< firing instances resolve, pending ones go
};

std::optional<NoData> no_data_from_text(std::string_view text);
std::optional<OnError> on_error_from_text(std::string_view text);

/// What of a rule the state machine needs.
struct Policy {
  std::string rule_name;
  /// Labels of the instance that stands for an error under OnError::kAlert: alertname, severity (of
  /// a threshold: the most severe one) and those labels of the rule that need no element to be
  /// rendered.
  Labels rule_labels;
  Duration for_duration{0};
  Duration keep_firing_for{0};
  NoData no_data = NoData::kOk;
  OnError on_error = OnError::kKeep;
  /// At most so many pending and firing instances, and as many resolved ones (the newest stay).
  /// More active ones are an error of the rule.
  std::size_t max_instances = 1000;
};

/// One element of an evaluation's result: an instance to be.
struct Element {
  /// Complete: alertname, severity and the rule's labels included.
  Labels labels;
  Labels annotations;
  /// NULL where the rule has no data for these labels (NoData).
  std::optional<double> value;
  /// A change of the annotations alone is no more than a change of the value: they are made of it.
  bool annotations_follow_value = false;
};

/// What one evaluation gave: elements, or why there are none.
using Outcome = Result<std::vector<Element>>;

/// How an instance differs from its predecessor: what has to be written.
enum class Change {
  kNone,      ///< nothing
  kValue,     ///< the value (and annotations that follow it): may be written late
  kMaterial,  ///< anything else, or new: belongs into the transaction of the consequences
};

struct Step {
  std::vector<Instance> instances;
  /// changes[i] is about instances[i].
  std::vector<Change> changes;
  /// Fingerprints of previous instances that are gone.
  std::vector<std::uint64_t> removed;
  std::vector<Transition> transitions;
  /// Why the evaluation failed: the outcome's error, equal label sets, or too many instances.
  std::optional<Error> error;
};

/// The error of a rule with more alerts than Policy::max_instances.
Error too_many_instances(std::size_t count, std::size_t limit);

/// One evaluation. `now` never goes back; the caller refuses that. All transitions carry `now`.
Step step(const Policy& policy, const std::vector<Instance>& previous, const Outcome& outcome,
          Instant now);

}  // namespace monitoring::alerting
