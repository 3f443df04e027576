#include "monitoring/outbox/queue.hpp"

#include "monitoring/base/json.hpp"
#include "monitoring/pg/prepared.hpp"

extern "C" {
#include <catalog/pg_type.h>
}
// clang-format keeps the server's header first.
#include <algorithm>
#include <string>
#include <utility>

#include "monitoring/notify/receiver.hpp"
#include "monitoring/outbox/courier_wake.hpp"
#include "monitoring/pg/settings.hpp"

namespace monitoring::outbox {

namespace {

struct Receiver {
  std::string name;
  std::string kind;
  Json settings;
  bool send_resolved;
  bool enabled;
  /// Of this database; empty in a copy that nobody has activated.
  std::string instance_id;
};

Receiver receiver_at(const pg::Rows& rows, std::uint64_t row) {
  return {*rows.text(row, 1),    *rows.text(row, 2),    Json::parse_or_null(*rows.text(row, 3)),
          *rows.boolean(row, 4), *rows.boolean(row, 5), rows.text(row, 6).value_or("")};
}

Receiver find_receiver(pg::Spi& spi, const std::string& name) {
  static pg::Prepared statement(
      "SELECT receiver_name, kind, settings, send_resolved, enabled,"
      " (SELECT instance_id::pg_catalog.text FROM monitoring.instance LIMIT 1)"
      " FROM monitoring.receivers"
      " WHERE receiver_name OPERATOR(pg_catalog.=) $1",
      {TEXTOID});
  const pg::Rows rows = statement.query(spi, {pg::text(name)});
  if (rows.empty()) {
    throw pg::Report(ERRCODE_UNDEFINED_OBJECT, "receiver \"" + name + "\" does not exist")
        .hint("monitoring.create_receiver() makes one.");
  }
  return receiver_at(rows, 0);
}

/// Leaves out resolved alerts, for a receiver that is not to be told of them.
void keep_firing(notify::Notification& notification) {
  auto& alerts = notification.alerts;
  alerts.erase(std::remove_if(alerts.begin(), alerts.end(),
                              [](const notify::AlertView& alert) {
                                return alert.status == notify::AlertStatus::kResolved;
                              }),
               alerts.end());
  notify::summarize(notification);
}

ComposedPayload compose(const Receiver& receiver, const notify::Notification& notification,
                        const Json& settings, Instant now) {
  ComposedPayload composed;
  const auto payload =
      notify::store_payload(receiver.kind, notification, settings, now, &composed.note);
  if (!payload) throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, payload.error());
  composed.payload = payload->dump();
  composed.address = notify::address_of(receiver.kind, settings);
  return composed;
}

/// Who sends it, and where one can look.
void sign(notify::Notification& notification, const Receiver& receiver) {
  notification.receiver = receiver.name;
  notification.origin = receiver.instance_id;
  notify::add_links(notification, pg::settings().external_url);
}

/// One row of the outbox; `first` is that of the receiver's first address.
std::int64_t insert(pg::Spi& spi, const Receiver& receiver,
                    const notify::Notification& notification, const Json& settings,
                    std::optional<std::int64_t> first, Instant now) {
  const ComposedPayload composed = compose(receiver, notification, settings, now);
  static pg::Prepared statement(
      "INSERT INTO monitoring.notifications"
      " (receiver, kind, group_key, payload, created_at, address, copy_of, note)"
      " VALUES ($1, $2, $3, $5, $4, $6, $7, nullif($8, '')) RETURNING id",
      {TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, JSONBOID, TEXTOID, INT8OID, TEXTOID});
  const pg::Rows rows = statement.query(
      spi, {pg::text(receiver.name), pg::text(receiver.kind), pg::text(notification.group_key),
            pg::timestamptz(now), pg::jsonb(composed.payload), pg::text(composed.address),
            first ? pg::int8(*first) : pg::null_of(INT8OID), pg::text(composed.note)});
  return *rows.int8(0, 1);
}

std::optional<std::int64_t> queue(pg::Spi& spi, const Receiver& receiver,
                                  notify::Notification notification, Instant now,
                                  TellResolved resolved) {
  if (!receiver.enabled) return std::nullopt;
  if (!receiver.send_resolved && resolved == TellResolved::kAsReceiverSays) {
    keep_firing(notification);
    if (notification.alerts.empty() && !notification.acknowledgement) return std::nullopt;
  }
  sign(notification, receiver);
  std::optional<std::int64_t> first;
  for (const Json& settings : notify::settings_by_address(receiver.kind, receiver.settings)) {
    const auto id = insert(spi, receiver, notification, settings, first, now);
    if (!first) first = id;
  }
  wake_courier_at_commit();
  return first;
}

}  // namespace

std::optional<std::int64_t> queue_notification(pg::Spi& spi, notify::Notification notification,
                                               Instant now, TellResolved resolved) {
  const Receiver receiver = find_receiver(spi, notification.receiver);
  return queue(spi, receiver, std::move(notification), now, resolved);
}

std::vector<ComposedPayload> compose_notification(pg::Spi& spi, notify::Notification notification,
                                                  Instant now) {
  const Receiver receiver = find_receiver(spi, notification.receiver);
  sign(notification, receiver);
  std::vector<ComposedPayload> payloads;
  for (const Json& settings : notify::settings_by_address(receiver.kind, receiver.settings)) {
    payloads.push_back(compose(receiver, notification, settings, now));
  }
  return payloads;
}

void requeue_notification(pg::Spi& spi, std::int64_t id) {
  const auto touched = spi.execute(
      "UPDATE monitoring.notifications"
      " SET status = 'queued', queued_at = DEFAULT, next_attempt_at = DEFAULT,"
      "  expires_at = NULL"
      " WHERE id OPERATOR(pg_catalog.=) $1 AND status OPERATOR(pg_catalog.=) 'dead'",
      {pg::int8(id)});
  if (touched > 0) {
    wake_courier_at_commit();
    return;
  }
  const pg::Rows rows =
      spi.query("SELECT status FROM monitoring.notifications WHERE id OPERATOR(pg_catalog.=) $1",
                {pg::int8(id)});
  if (rows.empty()) {
    throw pg::Report(ERRCODE_NO_DATA_FOUND,
                     "notification " + std::to_string(id) + " does not exist");
  }
  throw pg::Report(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                   "notification " + std::to_string(id) + " is not dead")
      .detail("Its status is \"" + *rows.text(0, 1) + "\".");
}

}  // namespace monitoring::outbox
