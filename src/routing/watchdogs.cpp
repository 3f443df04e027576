#include "monitoring/routing/watchdogs.hpp"

#include <utility>
#include <vector>

#include "monitoring/pg/prepared.hpp"
#include "routing/decisions.hpp"

extern "C" {
#include <catalog/pg_type.h>
}

namespace monitoring::routing {

namespace {

constexpr const char* kIssueWorker = "monitoring: watchdogs";
constexpr const char* kUnusable = "unusable";
/// It may be far in the future after a clock that was ahead; and no sum may leave the calendar.
#define MONITORING_WATCHDOG_IS_DUE \
  "enabled AND (last_ping_at IS NULL OR last_ping_at > $1 OR last_ping_at <= $1 - every)"

struct DueWatchdog {
  std::string receiver;
  std::string every;
};

std::vector<DueWatchdog> due_watchdogs(pg::Spi& spi, Instant now) {
  static pg::Prepared statement(
      "SELECT receiver, every::text FROM monitoring.watchdogs"
      " WHERE " MONITORING_WATCHDOG_IS_DUE " ORDER BY receiver",
      {TIMESTAMPTZOID});
  const pg::Rows rows = statement.query(spi, {pg::timestamptz(now)});
  std::vector<DueWatchdog> due;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    due.push_back({*rows.text(row, 1), *rows.text(row, 2)});
  }
  return due;
}

/// What Prometheus's alert of this name says: it fires always, and its absence is the alarm.
notify::Notification ping(const std::string& receiver, Instant now) {
  notify::AlertView alert;
  alert.labels = {{"alertname", "Watchdog"}, {"severity", "none"}};
  alert.annotations = {{"summary", "Alerts are evaluated, queued and delivered"}};
  alert.starts_at = now;
  alert.fingerprint = fingerprint_text(alert.labels.fingerprint());
  notify::Notification notification;
  notification.receiver = receiver;
  notification.group_labels = {{"alertname", "Watchdog"}};
  notification.group_key = "watchdog:{alertname=\"Watchdog\"}";
  notification.alerts = {std::move(alert)};
  notify::summarize(notification);
  return notification;
}

void tell(Dispatch& dispatch, const DueWatchdog& watchdog, pg::Spi& spi, Instant now) {
  notify::Notification notification = ping(watchdog.receiver, now);
  RecordedDecision decision;
  decision.receiver = watchdog.receiver;
  decision.group_key = notification.group_key;
  decision.reason = "watchdog";
  decision.detail = "every " + watchdog.every;
  decision.firing = {notification.alerts.front().fingerprint};
  if (const char* obstacle = dispatch.obstacle(watchdog.receiver)) {
    decision.reason = obstacle;
    return dispatch.note(std::move(decision));
  }
  const auto id = dispatch.tell(std::move(decision), std::move(notification),
                                outbox::TellResolved::kAsReceiverSays);
  if (!id) return;
  // A ping that comes later than the next one is due would hide that the chain had been broken.
  spi.execute(
      "UPDATE monitoring.notifications SET expires_at = queued_at + $2::interval"
      " WHERE id = $1 OR copy_of = $1",
      {pg::int8(*id), pg::text(watchdog.every)});
}

}  // namespace

void ping_watchdogs(pg::Spi& spi, Instant now) {
  const std::vector<DueWatchdog> due = due_watchdogs(spi, now);
  if (due.empty()) return;
  issues::UnusableObjects unusable(kIssueWorker, kUnusable);
  Dispatch dispatch(spi, now, unusable, true);
  for (const DueWatchdog& watchdog : due) tell(dispatch, watchdog, spi, now);
  dispatch.save();
  unusable.settle(spi);
  spi.execute(
      "UPDATE monitoring.watchdogs SET last_ping_at = $1"
      " WHERE " MONITORING_WATCHDOG_IS_DUE,
      {pg::timestamptz(now)});
}

}  // namespace monitoring::routing
