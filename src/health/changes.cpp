// Changes of the overall status: the last one is kept, a change becomes an event.

#include "monitoring/health/health.hpp"

#include "monitoring/base/json.hpp"
#include "monitoring/issues/events.hpp"
// clang-format keeps the server's headers first.

#include "health/alerts.hpp"

namespace monitoring::health {

namespace {

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

void log_change(pg::Spi& spi, const SystemHealth& health, const std::optional<Known>& before) {
  Json details;
  details["from"] = before ? Json(before->status) : Json(nullptr);
  details["to"] = status_text(health.overall());
  details["health"] = Json::parse_or_null(health_json(health));
  issues::log_event(spi, "health_status_changed", details.dump());
}

}  // namespace

SystemHealth check_health(pg::Spi& spi, Instant now) {
  const std::optional<Known> before = last_known(spi);
  SystemHealth health = system_health(spi, now, Asker::monitoring_worker);
  const HealthStatus status = health.overall();
  remember(spi, health);
  note_dropped_records(spi, now);
  tell_health(spi, health);
  if (before && before->status == status_text(status)) return health;
  // The first look at a healthy system is no change.
  if (!before && status == HealthStatus::healthy) return health;
  log_change(spi, health, before);
  return health;
}

}  // namespace monitoring::health
