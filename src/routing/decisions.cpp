#include "routing/decisions.hpp"

#include <utility>

#include "monitoring/notify/receiver.hpp"

namespace monitoring::routing {

namespace {

/// What has not been tried gives way to a newer notification of its receiver, group and address
/// that tells of all its firing alerts. What tells of something resolved or acknowledged neither
/// gives way nor is passed by. $1 are the ids of the newer ones.
constexpr const char* kSupersede = R"(
WITH newer AS (
  SELECT n.id, n.receiver, n.group_key, n.address, d.firing
  FROM monitoring.notification_decisions d
  JOIN monitoring.notifications n ON n.id = d.notification_id OR n.copy_of = d.notification_id
  WHERE d.notification_id = ANY ($1::int8[]) AND d.firing <> '{}' AND d.reason <> 'acknowledgement'
), unsent AS (
  SELECT o.id, w.id AS newer, o.status = 'queued' AND o.attempts = 0 AND d.resolved = '{}'
         AND d.reason <> 'acknowledgement' AND d.firing <@ w.firing AS gives_way
  FROM newer w
  JOIN monitoring.notifications o ON o.receiver = w.receiver AND o.group_key = w.group_key
   AND hashtextextended(o.group_key, 0) = hashtextextended(w.group_key, 0)
   AND o.address = w.address AND o.id < w.id AND o.status IN ('queued', 'sending', 'retrying')
  LEFT JOIN monitoring.notification_decisions d ON d.notification_id = coalesce(o.copy_of, o.id)
), replaced AS (
  SELECT o.id, u.newer FROM unsent u JOIN monitoring.notifications o ON o.id = u.id
  WHERE u.gives_way AND o.status = 'queued' AND NOT EXISTS (
    SELECT FROM unsent k WHERE k.newer = u.newer AND k.id > u.id AND k.gives_way IS NOT TRUE)
  FOR UPDATE OF o SKIP LOCKED
)
UPDATE monitoring.notifications o
SET status = 'superseded', last_error = 'superseded by notification ' || r.newer
FROM (SELECT id, max(newer) AS newer FROM replaced GROUP BY id) r WHERE o.id = r.id)";

/// An int8[] literal of the notifications that decisions have queued.
std::string queued_by(const std::vector<RecordedDecision>& decisions) {
  std::string ids = "{";
  for (const RecordedDecision& decision : decisions) {
    if (!decision.notification_id) continue;
    if (ids.size() > 1) ids += ',';
    ids += std::to_string(*decision.notification_id);
  }
  return ids + "}";
}

}  // namespace

Dispatch::Dispatch(pg::Spi& spi, Instant now, issues::UnusableObjects& unusable, bool careful)
    : spi_(spi), now_(now), unusable_(unusable), careful_(careful) {
  const pg::Rows rows =
      spi.query("SELECT receiver_name, send_resolved, enabled, kind FROM monitoring.receivers");
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    const notify::ReceiverKind* kind = notify::find_receiver_kind(*rows.text(row, 4));
    receivers_[*rows.text(row, 1)] = {*rows.boolean(row, 2), *rows.boolean(row, 3),
                                      kind != nullptr && kind->takes_acknowledgement};
  }
}

const Dispatch::Receiver* Dispatch::find(const std::string& receiver) const {
  const auto at = receivers_.find(receiver);
  return at == receivers_.end() ? nullptr : &at->second;
}

const char* Dispatch::obstacle(const std::string& receiver) const {
  const Receiver* found = find(receiver);
  if (found == nullptr) return "no_receiver";
  return found->enabled ? nullptr : "receiver_disabled";
}

/// Why it could not be queued.
std::optional<std::string> Dispatch::queue(RecordedDecision& decision,
                                           notify::Notification notification,
                                           outbox::TellResolved resolved) {
  const auto store = [&] {
    decision.notification_id =
        outbox::queue_notification(spi_, std::move(notification), now_, resolved);
  };
  if (careful_) return issues::try_alone(store);
  try {
    store();
    return std::nullopt;
  } catch (const pg::Report& report) {
    return report.what();
  }
}

std::optional<std::int64_t> Dispatch::tell(RecordedDecision decision,
                                           notify::Notification notification,
                                           outbox::TellResolved resolved) {
  const std::string receiver = "receiver \"" + notification.receiver + "\"";
  if (const auto failure = queue(decision, std::move(notification), resolved)) {
    unusable_.add(receiver, "a notification could not be composed: " + *failure);
    decision.reason = "not_composed";
    decision.detail = *failure;
    decision.log.reset();
  }
  decisions_.push_back(std::move(decision));
  return decisions_.back().notification_id;
}

void Dispatch::save() {
  if (decisions_.empty()) return;
  save_decisions(spi_, decisions_, now_);
  const std::string queued = queued_by(decisions_);
  if (queued != "{}") spi_.execute(kSupersede, {pg::text(queued)});
  decisions_.clear();
}

}  // namespace monitoring::routing
