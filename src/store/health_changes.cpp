// Changes of the overall status: the last one is kept, a change becomes an event and notifications.

#include "monitoring/store/health.hpp"

#include "monitoring/pg/transaction.hpp"
#include "monitoring/store/events.hpp"
#include "monitoring/store/issues.hpp"
// clang-format keeps the server's headers first.
#include <nlohmann/json.hpp>

#include "monitoring/notify/notification.hpp"
#include "monitoring/notify/webhook.hpp"

namespace monitoring::store {

namespace {

constexpr const char* kAlertName = "SystemHealth";
/// One group for all of health, in the form of Alertmanager's group keys.
constexpr const char* kGroupKey = "{}:{alertname=\"SystemHealth\"}";

/// The status that was written down, and since when it has been that.
struct Known {
  std::string status;
  Instant since{};
};

/// Locks the one row, so that two checks at once see one change once.
std::optional<Known> last_known(pg::Spi& spi) {
  spi.execute("INSERT INTO monitoring.health_state DEFAULT VALUES ON CONFLICT DO NOTHING");
  const pg::Rows rows = spi.query("SELECT status, since FROM monitoring.health_state FOR UPDATE");
  const auto status = rows.text(0, 1);
  if (!status) return std::nullopt;
  return Known{*status, *rows.timestamptz(0, 2)};
}

void remember(pg::Spi& spi, const SystemHealth& health) {
  spi.execute(
      "UPDATE monitoring.health_state SET checked_at = $2, status = $1,"
      " since = CASE WHEN status = $1 THEN since ELSE $2 END",
      {pg::text(status_text(health.overall())), pg::timestamptz(health.timestamp)});
}

std::string list(const std::vector<std::string>& reasons) {
  std::string text;
  for (const std::string& reason : reasons) text += (text.empty() ? "" : ", ") + reason;
  return text;
}

std::string description_of(const SystemHealth& health) {
  std::string text;
  const auto add = [&text](const char* part, const Verdict& verdict) {
    if (verdict.status == HealthStatus::healthy) return;
    text += (text.empty() ? "" : "; ") + std::string(part) + " is " +
            std::string(status_text(verdict.status)) + ": " + list(verdict.reasons);
  };
  add("queue_health", health.queues.verdict);
  add("processing_health", health.processing.verdict);
  add("worker_health", health.workers.verdict);
  return text.empty() ? "All checks are healthy." : text + ".";
}

class Change {
 public:
  Change(pg::Spi& spi, const SystemHealth& health, const std::optional<Known>& before)
      : health_(health),
        before_(before),
        database_(*spi.query("SELECT current_database()::text").text(0, 1)) {}

  /// One alert for each severity: the one that is over, and the one that has begun.
  notify::Notification notification(const std::string& receiver) const {
    notify::Notification notification;
    notification.receiver = receiver;
    notification.group_key = kGroupKey;
    notification.group_labels.set("alertname", kAlertName);
    if (health_.overall() != HealthStatus::healthy) {
      notification.alerts.push_back(
          alert(std::string(status_text(health_.overall())), health_.timestamp));
    }
    if (before_ && before_->status != status_text(HealthStatus::healthy)) {
      notification.alerts.push_back(alert(before_->status, before_->since));
      notification.alerts.back().status = notify::AlertStatus::kResolved;
      notification.alerts.back().ends_at = health_.timestamp;
    }
    notify::summarize(notification);
    return notification;
  }

 private:
  notify::AlertView alert(const std::string& severity, Instant since) const {
    notify::AlertView view;
    view.labels.set("alertname", kAlertName);
    view.labels.set("database", database_);
    view.labels.set("severity", severity);
    view.annotations.set("summary", "System health of " + database_ + " is " +
                                        std::string(status_text(health_.overall())));
    view.annotations.set("description", description_of(health_));
    view.starts_at = since;
    view.fingerprint = fingerprint_text(view.labels.fingerprint());
    return view;
  }

  const SystemHealth& health_;
  const std::optional<Known>& before_;
  std::string database_;
};

void log_change(pg::Spi& spi, const SystemHealth& health, const std::optional<Known>& before) {
  nlohmann::json details;
  details["from"] = before ? nlohmann::json(before->status) : nlohmann::json(nullptr);
  details["to"] = status_text(health.overall());
  details["health"] = nlohmann::json::parse(health_json(health));
  log_event(spi, "health_status_changed",
            details.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

std::vector<std::string> enabled_receivers(pg::Spi& spi) {
  const pg::Rows rows =
      spi.query("SELECT receiver_name FROM monitoring.receivers WHERE enabled ORDER BY 1");
  std::vector<std::string> names;
  for (std::uint64_t i = 0; i < rows.size(); ++i) names.push_back(*rows.text(i, 1));
  return names;
}

/// A receiver that cannot be told is an issue and keeps nobody else from being told.
void queue_notifications(pg::Spi& spi, const Change& change) {
  for (const std::string& receiver : enabled_receivers(spi)) {
    const std::string payload = notify::webhook_json(change.notification(receiver))
                                    .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    const auto error = pg::attempt([&] {
      spi.execute("SELECT monitoring._queue_notification($1, $2, $3)",
                  {pg::text(receiver), pg::text(kGroupKey), pg::jsonb(payload)});
    });
    if (!error) continue;
    log_issue_once(spi, {"health", "notification_not_queued",
                         "receiver \"" + receiver + "\": " + error->message()});
  }
}

}  // namespace

SystemHealth check_health(pg::Spi& spi, Instant now) {
  const std::optional<Known> before = last_known(spi);
  SystemHealth health = system_health(spi, now, Asker::monitoring_worker);
  const HealthStatus status = health.overall();
  remember(spi, health);
  if (before && before->status == status_text(status)) return health;
  // The first look at a healthy system is no change.
  if (!before && status == HealthStatus::healthy) return health;
  log_change(spi, health, before);
  queue_notifications(spi, Change(spi, health, before));
  return health;
}

}  // namespace monitoring::store
