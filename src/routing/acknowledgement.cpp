#include "routing/acknowledgement.hpp"

#include <utility>

namespace monitoring::routing {

namespace {

/// The firing alerts of a group if each of them is acknowledged; otherwise none.
std::vector<notify::AlertView> acknowledged_alerts(const dispatch::Group& group,
                                                   const RoutedAlerts& alerts) {
  std::vector<notify::AlertView> firing;
  for (const std::string& fingerprint : group.alerts) {
    const auto at = alerts.find(fingerprint);
    if (at == alerts.end() || !at->second.firing()) continue;
    if (!at->second.acknowledged) return {};
    firing.push_back(at->second.view);
  }
  return firing;
}

/// Marks the receiver's log entry; false where it was told of the acknowledgement already, or was
/// told of nothing that fires.
bool note_in_log(pg::Spi& spi, const std::string& receiver, const std::string& group_key) {
  return spi.execute(
             "UPDATE monitoring.notification_log l SET acknowledged = true"
             " WHERE md5(l.group_key) = md5($1) AND l.group_key = $1 AND l.receiver = $2"
             " AND NOT l.acknowledged AND l.firing <> '{}'",
             {pg::text(group_key), pg::text(receiver)}) > 0;
}

}  // namespace

notify::Acknowledgement acknowledgement_of(pg::Spi& spi, const std::string& fingerprint) {
  const pg::Rows rows = spi.query(
      "SELECT a.acknowledged_by, (SELECT n.note FROM monitoring.alert_notes n"
      "  WHERE n.alert_id = a.id AND n.generation = a.generation AND n.kind <> 'note'"
      "  ORDER BY n.id DESC LIMIT 1)"
      " FROM monitoring.alerts a WHERE a.fingerprint = $1 AND a.state = 'firing'"
      " ORDER BY a.acknowledged_at DESC LIMIT 1",
      {pg::text(fingerprint)});
  if (rows.empty()) return {};
  return {rows.text(0, 1).value_or(""), rows.text(0, 2).value_or("")};
}

void tell_acknowledged(pg::Spi& spi, const RoutingConfig& config,
                       const std::vector<StoredGroup>& groups, const RoutedAlerts& alerts,
                       Dispatch& dispatch) {
  for (const StoredGroup& stored : groups) {
    if (stored.finished) continue;
    const dispatch::Group& group = stored.group;
    const std::string receiver = *receiver_of(config.routes.find(group.route_id)->options);
    const Dispatch::Receiver* found = dispatch.find(receiver);
    if (found == nullptr || !found->enabled || !found->takes_acknowledgement) continue;
    std::vector<notify::AlertView> firing = acknowledged_alerts(group, alerts);
    if (firing.empty() || !note_in_log(spi, receiver, group.key)) continue;

    notify::Notification notification;
    notification.receiver = receiver;
    notification.group_labels = group.labels;
    notification.group_key = group.key;
    notification.acknowledgement = acknowledgement_of(spi, firing.front().fingerprint);
    RecordedDecision record;
    record.receiver = receiver;
    record.route_id = group.route_id;
    record.group_key = group.key;
    record.reason = "acknowledgement";
    record.detail = "acknowledged by " + notification.acknowledgement->by;
    for (const notify::AlertView& alert : firing) record.firing.insert(alert.fingerprint);
    notification.alerts = std::move(firing);
    notify::summarize(notification);
    dispatch.tell(std::move(record), std::move(notification),
                  outbox::TellResolved::kAsReceiverSays);
  }
}

}  // namespace monitoring::routing
