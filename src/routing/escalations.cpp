#include "routing/escalations.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "monitoring/alerting/state_machine.hpp"
#include "monitoring/base/labels_json.hpp"
#include "routing/acknowledgement.hpp"

namespace monitoring::routing {

namespace {

using dispatch::EscalationState;

struct StoredEscalation {
  EscalationState state;
  Labels labels;
};

std::map<std::string, StoredEscalation> load_states(pg::Spi& spi) {
  std::map<std::string, StoredEscalation> states;
  const pg::Rows rows = spi.query(
      "SELECT fingerprint, policy_name, fired_at, steps_taken, to_json(reached)::text,"
      " labels::text, acknowledged, group_key, counted_from FROM monitoring.alert_escalations");
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    StoredEscalation stored;
    stored.state.fingerprint = *rows.text(row, 1);
    stored.state.policy = *rows.text(row, 2);
    stored.state.fired_at = *rows.timestamptz(row, 3);
    stored.state.steps_taken = static_cast<std::uint32_t>(*rows.int8(row, 4));
    stored.state.reached = text_list(*rows.text(row, 5));
    stored.labels = labels_of_stored(*rows.text(row, 6));
    stored.state.acknowledged = *rows.boolean(row, 7);
    stored.state.group_key = *rows.text(row, 8);
    stored.state.counted_from = rows.timestamptz(row, 9);
    std::string fingerprint = stored.state.fingerprint;
    states[std::move(fingerprint)] = std::move(stored);
  }
  return states;
}

void save_state(pg::Spi& spi, const EscalationState& state, const Labels& labels) {
  spi.execute(
      "INSERT INTO monitoring.alert_escalations AS e"
      " (fingerprint, policy_name, fired_at, steps_taken, reached, labels, acknowledged, group_key,"
      "  counted_from) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
      " ON CONFLICT (fingerprint) DO UPDATE SET policy_name = excluded.policy_name,"
      "  fired_at = excluded.fired_at, steps_taken = excluded.steps_taken,"
      "  reached = excluded.reached, labels = excluded.labels,"
      "  acknowledged = excluded.acknowledged, group_key = excluded.group_key,"
      "  counted_from = excluded.counted_from",
      {pg::text(state.fingerprint), pg::text(state.policy), pg::timestamptz(state.fired_at),
       pg::int4(static_cast<std::int32_t>(state.steps_taken)), pg::text_array(state.reached),
       pg::jsonb(json_of(labels).dump()), pg::boolean(state.acknowledged),
       pg::text(state.group_key), pg::timestamptz(state.counted_from)});
}

void delete_state(pg::Spi& spi, const std::string& fingerprint) {
  spi.execute("DELETE FROM monitoring.alert_escalations WHERE fingerprint = $1",
              {pg::text(fingerprint)});
}

/// A key that is that of no group.
std::string group_key_of(const std::string& policy, const notify::AlertView& alert) {
  return "escalation " + policy + ":" + dispatch::label_set_text(alert.labels);
}

/// A notification about the one alert.
notify::Notification notification_of(const EscalationState& state, const notify::AlertView& alert) {
  notify::Notification notification;
  notification.group_labels = {{"alertname", std::string(alert.labels.get("alertname"))}};
  notification.group_key = state.group_key;
  notification.alerts = {alert};
  notify::summarize(notification);
  return notification;
}

/// Why a receiver cannot be told of an alert; null if it can.
const char* obstacle(const Dispatch& dispatch, const std::string& receiver, const Labels& labels) {
  const bool is_own_failure = labels.get("alertname") == alerting::kNotificationFailedAlert &&
                              labels.get("receiver") == receiver;
  return is_own_failure ? "own_failure" : dispatch.obstacle(receiver);
}

/// Tells every receiver of a decision about the one alert.
void tell_all(Dispatch& dispatch, const EscalationState& state, notify::AlertView alert,
              const dispatch::EscalationDecision& decision) {
  const bool resolved = alert.status == notify::AlertStatus::kResolved;
  alert.annotations.set("escalation", decision.reason);
  notify::Notification notification = notification_of(state, alert);
  RecordedDecision record;
  record.group_key = notification.group_key;
  record.reason = resolved ? "escalation_resolved" : "escalated";
  record.detail = decision.reason;
  (resolved ? record.resolved : record.firing).insert(alert.fingerprint);
  for (const std::string& receiver : decision.receivers) {
    record.receiver = receiver;
    notification.receiver = receiver;
    if (const char* found = obstacle(dispatch, receiver, alert.labels)) {
      RecordedDecision hindered = record;
      hindered.reason = found;
      dispatch.note(std::move(hindered));
      continue;
    }
    dispatch.tell(record, notification, outbox::TellResolved::kAlways);
  }
}

/// Somebody took charge: receivers that were reached and keep incidents of their own learn of it;
/// of those that are not reached any more it is noted why.
void note_acknowledged(pg::Spi& spi, Dispatch& dispatch, const dispatch::EscalationPolicy& policy,
                       const EscalationState& state, const notify::AlertView& alert) {
  notify::Notification notification = notification_of(state, alert);
  notification.acknowledgement = acknowledgement_of(spi, alert.fingerprint);
  RecordedDecision record;
  record.group_key = notification.group_key;
  record.reason = "acknowledgement";
  record.detail = "acknowledged by " + notification.acknowledgement->by;
  record.firing = {alert.fingerprint};
  for (const std::string& receiver : state.reached) {
    const Dispatch::Receiver* found = dispatch.find(receiver);
    if (found == nullptr || !found->enabled || !found->takes_acknowledgement) continue;
    record.receiver = receiver;
    notification.receiver = receiver;
    dispatch.tell(record, notification, outbox::TellResolved::kAlways);
  }
  record.reason = "escalation_stopped";
  for (std::size_t step = state.steps_taken; step < policy.steps.size(); ++step) {
    record.receiver = policy.steps[step].receiver;
    dispatch.note(record);
  }
}

/// The state to go on with: the stored one, unless the alert has begun to fire anew since. Another
/// policy, or another name of it, changes who is told further, and not what was told.
EscalationState current_state(const std::map<std::string, StoredEscalation>& states,
                              const dispatch::EscalationPolicy& policy,
                              const notify::AlertView& alert) {
  const auto at = states.find(alert.fingerprint);
  if (at == states.end() || at->second.state.fired_at != alert.starts_at) {
    EscalationState fresh = dispatch::start_escalation(policy, alert.fingerprint, alert.starts_at);
    fresh.group_key = group_key_of(policy.name, alert);
    return fresh;
  }
  EscalationState state = at->second.state;
  dispatch::continue_escalation(state, policy);
  return state;
}

dispatch::EscalationInput input_of(const RoutedAlert& alert) {
  dispatch::EscalationInput input;
  input.acknowledged = alert.acknowledged;
  input.false_positive = alert.false_positive;
  const bool muted = alert.is_routed && !alert.has_open_route;
  input.suppressed = alert.silenced || alert.inhibited || muted;
  input.can_be_told = !alert.is_routed || alert.was_flushed;
  return input;
}

void escalate_firing(pg::Spi& spi, const std::map<std::string, StoredEscalation>& states,
                     const dispatch::EscalationPolicy& policy, const RoutedAlert& alert,
                     Dispatch& dispatch, Instant now) {
  EscalationState state = current_state(states, policy, alert.view);
  const EscalationState before = state;
  const auto decision = dispatch::escalate(state, policy, input_of(alert), now);
  state.acknowledged = alert.acknowledged;
  const bool news = state.acknowledged && !before.acknowledged;
  const bool same = state.steps_taken == before.steps_taken &&
                    state.counted_from == before.counted_from &&
                    state.reached.size() == before.reached.size();
  if (same && !news) return;
  save_state(spi, state, alert.view.labels);
  tell_all(dispatch, state, alert.view, decision);
  if (news) note_acknowledged(spi, dispatch, policy, state, alert.view);
}

/// The alert fires no more, or is not known any more.
void finish(pg::Spi& spi, const StoredEscalation& stored, const RoutedAlerts& alerts,
            Dispatch& dispatch, Instant now) {
  const EscalationState& state = stored.state;
  notify::AlertView view;
  const auto at = alerts.find(state.fingerprint);
  if (at != alerts.end()) {
    view = at->second.view;
  } else {
    view.fingerprint = state.fingerprint;
    view.labels = stored.labels;
    view.starts_at = state.fired_at;
    view.ends_at = now;
  }
  view.status = notify::AlertStatus::kResolved;
  tell_all(dispatch, state, view,
           {dispatch::EscalationOutcome::kResolved, state.reached, "the alert resolved"});
  delete_state(spi, state.fingerprint);
}

}  // namespace

void escalate_alerts(pg::Spi& spi, const std::vector<dispatch::EscalationPolicy>& policies,
                     const RoutedAlerts& alerts, Dispatch& dispatch, Instant now) {
  const auto states = load_states(spi);
  if (policies.empty() && states.empty()) return;
  for (const auto& [fingerprint, alert] : alerts) {
    if (!alert.firing()) continue;
    const auto* policy = dispatch::find_policy(policies, alert.view.labels);
    if (policy != nullptr) escalate_firing(spi, states, *policy, alert, dispatch, now);
  }
  for (const auto& [fingerprint, stored] : states) {
    const auto at = alerts.find(fingerprint);
    if (at == alerts.end() || !at->second.firing()) finish(spi, stored, alerts, dispatch, now);
  }
}

}  // namespace monitoring::routing
