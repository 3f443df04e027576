#include "monitoring/alerting/state_machine.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <utility>

#include "monitoring/base/instant_math.hpp"

namespace monitoring::alerting {

namespace {

/// NaN equals NaN here: a value that stays NaN has not changed.
bool same_value(const std::optional<double>& a, const std::optional<double>& b) {
  if (!a || !b) return a.has_value() == b.has_value();
  return *a == *b || (std::isnan(*a) && std::isnan(*b));
}

bool same_standing(const Instance& a, const Instance& b) {
  return a.state == b.state && a.origin == b.origin && a.active_at == b.active_at &&
         a.fired_at == b.fired_at && a.resolved_at == b.resolved_at &&
         a.keep_firing_since == b.keep_firing_since;
}

/// What this evaluation says of an instance.
enum class Presence { kAbsent, kPresent, kHeld };

/// An instance on its way from the previous evaluation to this one.
struct Candidate {
  Instance instance;
  const Instance* before = nullptr;  // owned by the caller of step(); null when new
  Presence presence = Presence::kAbsent;
  Cause met_cause = Cause::kConditionMet;
  Cause cleared_cause = Cause::kConditionCleared;
  bool annotations_follow_value = false;
  bool removed = false;
};

std::string label_set_text(const Labels& labels) {
  std::string text = "{";
  for (const auto& [name, value] : labels) {
    if (text.size() > 1) text += ", ";
    text += name + "=\"" + value + "\"";
  }
  return text + "}";
}

/// It stands in for alerts that nobody sees now, so it goes where they would: with the labels that
/// all of them have, and no less severe than they.
Labels evaluation_failed_labels(const Policy& policy) {
  Labels labels = policy.rule_labels;
  const std::string_view severity = labels.get("severity");
  if (severity.empty() || severity == "info" || severity == "none") {
    labels.set("severity", "warning");
  }
  labels.set("alertname", kEvaluationFailedAlert);
  labels.set("rule_name", policy.rule_name);
  return labels;
}

/// Labels are the identity, so two elements with the same ones cannot both be meant.
std::optional<Error> duplicate_labels(const std::vector<Element>& elements) {
  std::unordered_multimap<std::uint64_t, const Labels*> seen;
  seen.reserve(elements.size());
  for (const auto& element : elements) {
    const auto fingerprint = element.labels.fingerprint();
    const auto [first, last] = seen.equal_range(fingerprint);
    for (auto at = first; at != last; ++at) {
      if (*at->second != element.labels) continue;
      return Error::of(
          "two elements of the result have the same labels " + label_set_text(element.labels),
          "Every row of the result must have labels of its own.");
    }
    seen.emplace(fingerprint, &element.labels);
  }
  return std::nullopt;
}

/// One evaluation under way. Kept apart from step() so that an attempt with too many instances can
/// be thrown away and done again as a failure.
class Evaluation {
 public:
  Evaluation(const Policy& policy, const std::vector<Instance>& previous, Instant now)
      : policy_(policy), now_(now) {
    candidates_.reserve(previous.size());
    for (const auto& instance : previous) {
      Candidate candidate;
      candidate.instance = instance;
      candidate.before = &instance;
      add(std::move(candidate));
    }
  }

  void apply(const std::vector<Element>& elements);
  void apply_failure(const Error& error);
  /// Moves every instance on; then nothing but finish() makes sense.
  void advance();
  std::size_t active_count() const;
  Step finish(std::optional<Error> error) &&;

 private:
  void add(Candidate candidate);
  Candidate* find(const Labels& labels, std::uint64_t fingerprint);
  Candidate& present(const Labels& labels, Origin origin, std::optional<double> value,
                     const Labels& annotations, Cause cause);
  void advance_present(Candidate& candidate);
  void advance_absent(Candidate& candidate);
  void transition(Candidate& candidate, AlertState to, Cause cause);
  bool keeps_firing(Instance& instance) const;
  void forget_old_resolved();
  Change change_of(const Candidate& candidate) const;

  const Policy& policy_;
  const Instant now_;
  std::vector<Candidate> candidates_;
  /// Fingerprints may collide; labels decide.
  std::unordered_multimap<std::uint64_t, std::size_t> index_;
  std::vector<Transition> transitions_;
};

void Evaluation::add(Candidate candidate) {
  index_.emplace(candidate.instance.fingerprint, candidates_.size());
  candidates_.push_back(std::move(candidate));
}

Candidate* Evaluation::find(const Labels& labels, std::uint64_t fingerprint) {
  const auto [first, last] = index_.equal_range(fingerprint);
  for (auto at = first; at != last; ++at) {
    if (candidates_[at->second].instance.labels == labels) return &candidates_[at->second];
  }
  return nullptr;
}

Candidate& Evaluation::present(const Labels& labels, Origin origin, std::optional<double> value,
                               const Labels& annotations, Cause cause) {
  const auto fingerprint = labels.fingerprint();
  Candidate* candidate = find(labels, fingerprint);
  if (candidate == nullptr) {
    Candidate fresh;
    fresh.instance.labels = labels;
    fresh.instance.fingerprint = fingerprint;
    fresh.instance.state = AlertState::kInactive;
    add(std::move(fresh));
    candidate = &candidates_.back();
  }
  auto& instance = candidate->instance;
  instance.origin = origin;
  instance.value = value;
  instance.annotations = annotations;
  candidate->presence = Presence::kPresent;
  candidate->met_cause = cause;
  return *candidate;
}

void Evaluation::apply(const std::vector<Element>& elements) {
  for (auto& candidate : candidates_) {
    if (candidate.instance.origin != Origin::kElement) {
      candidate.cleared_cause = Cause::kEvaluationRecovered;
    }
  }
  for (const auto& element : elements) {
    Candidate* known = find(element.labels, element.labels.fingerprint());
    const bool no_data = !element.value.has_value();
    if (no_data && policy_.no_data == NoData::kOk) {
      if (known != nullptr) known->cleared_cause = Cause::kNoData;
      continue;
    }
    if (no_data && policy_.no_data == NoData::kKeep) {
      if (known != nullptr) known->presence = Presence::kHeld;
      continue;
    }
    auto& candidate = present(element.labels, Origin::kElement, element.value, element.annotations,
                              no_data ? Cause::kNoData : Cause::kConditionMet);
    candidate.annotations_follow_value = element.annotations_follow_value;
  }
}

void Evaluation::apply_failure(const Error& error) {
  const auto held = policy_.on_error == OnError::kResolve ? Presence::kAbsent : Presence::kHeld;
  for (auto& candidate : candidates_) {
    if (candidate.instance.active()) candidate.presence = held;
    candidate.cleared_cause = Cause::kEvaluationFailed;
  }
  const Labels annotations{{"description", error.message}};
  if (policy_.on_error == OnError::kAlert) {
    present(policy_.rule_labels, Origin::kRuleError, std::nullopt, annotations,
            Cause::kEvaluationFailed)
        .annotations_follow_value = true;
  }
  present(evaluation_failed_labels(policy_), Origin::kEvaluationFailed, std::nullopt, annotations,
          Cause::kEvaluationFailed)
      .annotations_follow_value = true;
}

void Evaluation::transition(Candidate& candidate, AlertState to, Cause cause) {
  const auto from = candidate.instance.state;
  candidate.instance.state = to;
  transitions_.push_back({candidate.instance, from, to, now_, cause});
}

void Evaluation::advance_present(Candidate& candidate) {
  auto& instance = candidate.instance;
  const auto hold =
      instance.origin == Origin::kEvaluationFailed ? Duration{0} : policy_.for_duration;
  instance.keep_firing_since.reset();
  if (!instance.active()) {  // new, or back after it had resolved: a new alert
    instance.active_at = now_;
    instance.fired_at.reset();
    instance.resolved_at.reset();
    instance.state = AlertState::kInactive;
  }
  const bool due = elapsed(instance.active_at, now_) >= hold;
  if (due && instance.state == AlertState::kFiring) return;
  if (due) {
    instance.fired_at = now_;
    const bool waited = instance.state == AlertState::kPending;
    return transition(candidate, AlertState::kFiring,
                      waited ? Cause::kForElapsed : candidate.met_cause);
  }
  if (instance.state == AlertState::kPending) return;
  if (instance.state == AlertState::kFiring) {
    instance.fired_at.reset();
    return transition(candidate, AlertState::kPending, Cause::kForRaised);
  }
  transition(candidate, AlertState::kPending, candidate.met_cause);
}

bool Evaluation::keeps_firing(Instance& instance) const {
  if (instance.state != AlertState::kFiring || instance.origin != Origin::kElement) return false;
  if (policy_.keep_firing_for <= Duration{0}) return false;
  if (!instance.keep_firing_since) instance.keep_firing_since = now_;
  return elapsed(*instance.keep_firing_since, now_) < policy_.keep_firing_for;
}

void Evaluation::advance_absent(Candidate& candidate) {
  auto& instance = candidate.instance;
  if (instance.state == AlertState::kPending) {
    candidate.removed = true;
    return transition(candidate, AlertState::kInactive, candidate.cleared_cause);
  }
  if (instance.state == AlertState::kFiring) {
    const bool failed = candidate.cleared_cause == Cause::kEvaluationFailed;
    if (!failed && keeps_firing(instance)) return;
    instance.keep_firing_since.reset();
    instance.resolved_at = now_;
    return transition(candidate, AlertState::kResolved, candidate.cleared_cause);
  }
  candidate.removed = elapsed(instance.resolved_at.value_or(now_), now_) > kResolvedRetention;
}

void Evaluation::advance() {
  for (auto& candidate : candidates_) {
    if (candidate.presence == Presence::kHeld) continue;
    if (candidate.presence == Presence::kPresent) {
      advance_present(candidate);
    } else {
      advance_absent(candidate);
    }
  }
  forget_old_resolved();
}

/// Label sets that come and go would otherwise pile up for the whole retention.
void Evaluation::forget_old_resolved() {
  std::vector<Candidate*> resolved;
  for (auto& candidate : candidates_) {
    if (!candidate.removed && candidate.instance.state == AlertState::kResolved) {
      resolved.push_back(&candidate);
    }
  }
  if (resolved.size() <= policy_.max_instances) return;
  const auto newest_first = [](const Candidate* a, const Candidate* b) {
    return a->instance.resolved_at > b->instance.resolved_at;
  };
  std::stable_sort(resolved.begin(), resolved.end(), newest_first);
  for (auto i = policy_.max_instances; i < resolved.size(); ++i) resolved[i]->removed = true;
}

std::size_t Evaluation::active_count() const {
  const auto counts = [](const Candidate& candidate) {
    return !candidate.removed && candidate.instance.active() &&
           candidate.instance.origin == Origin::kElement;
  };
  return static_cast<std::size_t>(std::count_if(candidates_.begin(), candidates_.end(), counts));
}

Change Evaluation::change_of(const Candidate& candidate) const {
  if (candidate.before == nullptr) return Change::kMaterial;
  const auto& before = *candidate.before;
  const auto& after = candidate.instance;
  if (!same_standing(before, after)) return Change::kMaterial;
  const bool same_annotations = before.annotations == after.annotations;
  if (!same_annotations && !candidate.annotations_follow_value) return Change::kMaterial;
  return same_annotations && same_value(before.value, after.value) ? Change::kNone : Change::kValue;
}

Step Evaluation::finish(std::optional<Error> error) && {
  Step result;
  result.error = std::move(error);
  result.transitions = std::move(transitions_);
  for (auto& candidate : candidates_) {
    if (!candidate.removed) {
      result.changes.push_back(change_of(candidate));
      result.instances.push_back(std::move(candidate.instance));
    } else if (candidate.before != nullptr) {
      result.removed.push_back(candidate.instance.fingerprint);
    }
  }
  return result;
}

Step fail(const Policy& policy, const std::vector<Instance>& previous, Error error, Instant now) {
  Evaluation evaluation(policy, previous, now);
  evaluation.apply_failure(error);
  evaluation.advance();
  return std::move(evaluation).finish(std::move(error));
}

}  // namespace

Step step(const Policy& policy, const std::vector<Instance>& previous, const Outcome& outcome,
          Instant now) {
  if (!outcome.ok()) return fail(policy, previous, outcome.error(), now);
  if (auto error = duplicate_labels(*outcome)) return fail(policy, previous, *error, now);
  Evaluation evaluation(policy, previous, now);
  evaluation.apply(*outcome);
  evaluation.advance();
  const auto active = evaluation.active_count();
  if (active > policy.max_instances) {
    return fail(policy, previous, too_many_instances(active, policy.max_instances), now);
  }
  return std::move(evaluation).finish(std::nullopt);
}

Error too_many_instances(std::size_t count, std::size_t limit) {
  return Error::of("the rule has " + std::to_string(count) +
                       " alert instances, more than the limit of " + std::to_string(limit),
                   "Aggregate the result further, or raise the limit.");
}

std::optional<NoData> no_data_from_text(std::string_view text) {
  if (text == "ok") return NoData::kOk;
  if (text == "alert") return NoData::kAlert;
  if (text == "keep") return NoData::kKeep;
  return std::nullopt;
}

std::optional<OnError> on_error_from_text(std::string_view text) {
  if (text == "keep") return OnError::kKeep;
  if (text == "alert") return OnError::kAlert;
  if (text == "resolve") return OnError::kResolve;
  return std::nullopt;
}

}  // namespace monitoring::alerting
