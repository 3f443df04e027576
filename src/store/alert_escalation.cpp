#include "alert_escalation.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace monitoring::store {

namespace {

using notify::EscalationState;

struct StoredEscalation {
  EscalationState state;
  Labels labels;
};

std::map<std::string, StoredEscalation> load_states(pg::Spi& spi) {
  std::map<std::string, StoredEscalation> states;
  const pg::Rows rows = spi.query(
      "SELECT fingerprint, policy_name, fired_at, steps_taken, to_json(reached)::text,"
      " labels::text FROM monitoring.alert_escalations");
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    StoredEscalation stored;
    stored.state.fingerprint = *rows.text(row, 1);
    stored.state.policy = *rows.text(row, 2);
    stored.state.fired_at = *rows.timestamptz(row, 3);
    stored.state.steps_taken = static_cast<std::uint32_t>(*rows.int8(row, 4));
    stored.state.reached = text_list(*rows.text(row, 5));
    stored.labels = labels_of(*rows.text(row, 6));
    std::string fingerprint = stored.state.fingerprint;
    states[std::move(fingerprint)] = std::move(stored);
  }
  return states;
}

void save_state(pg::Spi& spi, const EscalationState& state, const Labels& labels) {
  spi.execute(
      "INSERT INTO monitoring.alert_escalations AS e"
      " (fingerprint, policy_name, fired_at, steps_taken, reached, labels)"
      " VALUES ($1, $2, $3, $4, $5, $6)"
      " ON CONFLICT (fingerprint) DO UPDATE SET policy_name = excluded.policy_name,"
      "  fired_at = excluded.fired_at, steps_taken = excluded.steps_taken,"
      "  reached = excluded.reached, labels = excluded.labels",
      {pg::text(state.fingerprint), pg::text(state.policy), pg::timestamptz(state.fired_at),
       pg::int4(static_cast<std::int32_t>(state.steps_taken)), pg::text_array(state.reached),
       pg::jsonb(labels_json(labels))});
}

void delete_state(pg::Spi& spi, const std::string& fingerprint) {
  spi.execute("DELETE FROM monitoring.alert_escalations WHERE fingerprint = $1",
              {pg::text(fingerprint)});
}

/// Tells every receiver of a decision about the one alert.
void tell_all(Dispatch& dispatch, const std::string& policy, notify::AlertView alert,
              const notify::EscalationDecision& decision) {
  const bool resolved = alert.status == notify::AlertStatus::kResolved;
  alert.annotations.set("escalation", decision.reason);
  notify::Notification notification;
  notification.group_labels = {{"alertname", std::string(alert.labels.get("alertname"))}};
  notification.group_key = "escalation " + policy + ":" + notify::label_set_text(alert.labels);
  notification.alerts = {alert};
  notify::summarize(notification);

  RecordedDecision record;
  record.group_key = notification.group_key;
  record.reason = resolved ? "escalation_resolved" : "escalated";
  record.detail = decision.reason;
  (resolved ? record.resolved : record.firing).insert(alert.fingerprint);
  for (const std::string& receiver : decision.receivers) {
    record.receiver = receiver;
    notification.receiver = receiver;
    if (const char* obstacle = dispatch.obstacle(receiver)) {
      RecordedDecision hindered = record;
      hindered.reason = obstacle;
      dispatch.note(std::move(hindered));
      continue;
    }
    dispatch.tell(record, notification, TellResolved::kAlways);
  }
}

/// The state to go on with: the stored one, unless the alert has begun to fire anew since, or falls
/// under another policy now.
EscalationState current_state(const std::map<std::string, StoredEscalation>& states,
                              const notify::EscalationPolicy& policy,
                              const notify::AlertView& alert) {
  const auto at = states.find(alert.fingerprint);
  const bool goes_on = at != states.end() && at->second.state.policy == policy.name &&
                       at->second.state.fired_at == alert.starts_at;
  if (goes_on) return at->second.state;
  return notify::start_escalation(policy, alert.fingerprint, alert.starts_at);
}

void escalate_firing(pg::Spi& spi, const std::map<std::string, StoredEscalation>& states,
                     const notify::EscalationPolicy& policy, const RoutedAlert& alert,
                     Dispatch& dispatch, Instant now) {
  EscalationState state = current_state(states, policy, alert.view);
  const std::uint32_t taken = state.steps_taken;
  notify::EscalationInput input;
  input.acknowledged = alert.acknowledged;
  input.false_positive = alert.false_positive;
  input.suppressed = alert.silenced || alert.inhibited;
  const auto decision = notify::escalate(state, policy, input, now);
  if (state.steps_taken == taken) return;
  save_state(spi, state, alert.view.labels);
  tell_all(dispatch, policy.name, alert.view, decision);
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
  tell_all(dispatch, state.policy, view,
           {notify::EscalationOutcome::kResolved, state.reached, "the alert resolved"});
  delete_state(spi, state.fingerprint);
}

}  // namespace

void escalate_alerts(pg::Spi& spi, const std::vector<notify::EscalationPolicy>& policies,
                     const RoutedAlerts& alerts, Dispatch& dispatch, Instant now) {
  const auto states = load_states(spi);
  if (policies.empty() && states.empty()) return;
  for (const auto& [fingerprint, alert] : alerts) {
    if (!alert.firing()) continue;
    const auto* policy = notify::find_policy(policies, alert.view.labels);
    if (policy != nullptr) escalate_firing(spi, states, *policy, alert, dispatch, now);
  }
  for (const auto& [fingerprint, stored] : states) {
    const auto at = alerts.find(fingerprint);
    if (at == alerts.end() || !at->second.firing()) finish(spi, stored, alerts, dispatch, now);
  }
}

}  // namespace monitoring::store
