#pragma once
// The outbox, seen by those who have something to tell: monitoring.receivers and
// monitoring.notifications. What the courier does with it is in outbox_lease.hpp.
//
// Statements qualify every name and operator: they are safe whatever search_path is. All run with
// the caller's rights and inside the caller's transaction, so a notification is queued if and only
// if what it tells about is committed.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/notify/notification.hpp"

namespace monitoring::outbox {

/// Whether resolved alerts are told.
enum class TellResolved {
  kAsReceiverSays,
  kAlways,  // to a receiver that an escalation has reached
};

/// Queues a notification for the receiver that it names and wakes the courier at commit. `now` is
/// the time of what it tells about, which evaluate_alerts(at) may set; delivery begins at once all
/// the same. Returns its id, of several addresses' that of the first. Nothing is queued, and
/// nullopt returned, where the receiver is disabled, or wants no resolved alerts and there are no
/// others. Errors: 42704 if there is no such receiver, 22023 if its kind cannot compose the
/// payload.
std::optional<std::int64_t> queue_notification(
    pg::Spi& spi, notify::Notification notification, Instant now,
    TellResolved resolved = TellResolved::kAsReceiverSays);

/// What a receiver would be told at one of its addresses, without its secrets.
struct ComposedPayload {
  std::string address;
  /// JSON.
  std::string payload;
  /// Templates that could not be rendered, and why.
  std::string note;
};

/// What queue_notification() would put into the outbox, whether or not the receiver is enabled.
std::vector<ComposedPayload> compose_notification(pg::Spi& spi, notify::Notification notification,
                                                  Instant now);

/// Puts a dead notification back into the queue. Errors: P0002 if there is none with this id, 55000
/// if it is not dead.
void requeue_notification(pg::Spi& spi, std::int64_t id);

}  // namespace monitoring::outbox
