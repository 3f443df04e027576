#include "monitoring/routing/rebase.hpp"

#include <string>

#include "monitoring/base/instant_math.hpp"
#include "monitoring/base/json.hpp"
#include "monitoring/base/rfc3339.hpp"
#include "monitoring/issues/events.hpp"
#include "monitoring/outbox/clock_steps.hpp"

namespace monitoring::routing {

namespace {

struct Times {
  const char* table;
  /// Up to the first null.
  const char* columns[6];
  /// Rows whose times still matter.
  const char* condition;
};

constexpr Times kStoredTimes[] = {
    {"monitoring.alerts",
     {"active_at", "fired_at", "resolved_at", "keep_firing_since", "written_at"},
     "true"},
    {"monitoring.alert_rule_errors", {"since"}, "true"},
    {"monitoring.alert_groups", {"created_at", "next_flush_at"}, "true"},
    {"monitoring.notification_log", {"sent_at", "expires_at"}, "true"},
    {"monitoring.alert_group_members", {"unseen_since", "starts_at", "ends_at"}, "true"},
    {"monitoring.alert_escalations", {"fired_at", "counted_from"}, "true"},
    {"monitoring.watchdogs", {"last_ping_at"}, "true"},
    // When they are tried next is bring_outbox_nearer()'s.
    {"monitoring.notifications", {"queued_at", "expires_at"}, "status IN ('queued', 'retrying')"},
    {"monitoring_internal.alert_progress", {"last_evaluated_at"}, "true"},
};

/// Where only one of two times of an alert was moved, their order may have turned round. When it
/// fired stays: an escalation knows it by that.
constexpr const char* kOrder =
    "UPDATE monitoring.alerts SET active_at = least(active_at, fired_at),"
    " resolved_at = CASE WHEN resolved_at < fired_at THEN fired_at ELSE resolved_at END"
    " WHERE fired_at < active_at OR resolved_at < fired_at";

/// $1 now, $2 the step.
std::string statement_of(const Times& times) {
  std::string set;
  std::string behind;
  for (const char* const* at = times.columns; *at != nullptr; ++at) {
    const std::string column = *at;
    if (!set.empty()) set += ", ";
    set += column + " = CASE WHEN " + column + " > $1 AND isfinite(" + column + ") THEN " + column +
           " - $2 ELSE " + column + " END";
    behind += (behind.empty() ? "" : " OR ") + column + " > $1";
  }
  return "UPDATE " + std::string(times.table) + " SET " + set + " WHERE (" + behind + ") AND " +
         times.condition;
}

void tell_log(Instant last, Instant now) {
  const std::string before = rfc3339(last);
  const std::string after = rfc3339(now);
  pg::call([&] {
    ereport(LOG, (errmsg("monitoring: alerts had been evaluated at %s, and the time is %s",
                         before.c_str(), after.c_str()),
                  errdetail("The stored times of alerts that lie in the future are moved back by "
                            "the step.")));
  });
}

}  // namespace

void rebase_alerting(pg::Spi& spi, Instant last, Instant now) {
  const Duration step = elapsed(now, last);
  for (const Times& times : kStoredTimes) {
    spi.execute(statement_of(times).c_str(), {pg::timestamptz(now), pg::interval(step)});
  }
  spi.execute(kOrder);
  outbox::bring_outbox_nearer(spi, -step, now, outbox::WhichWaits::too_long);
  const Json details = {
      {"last_evaluated_at", rfc3339(last)},
      {"now", rfc3339(now)},
      {"step_seconds", std::chrono::duration_cast<std::chrono::seconds>(step).count()}};
  issues::log_event(spi, "alerting_rebased", details.dump());
  tell_log(last, now);
}

}  // namespace monitoring::routing
