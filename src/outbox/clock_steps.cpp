#include "monitoring/outbox/clock_steps.hpp"

#include "monitoring/base/json.hpp"
#include "monitoring/issues/events.hpp"
// clang-format keeps the server's headers first.

namespace monitoring::outbox {

namespace {

/// $1 is now, $2 the step, $3 whether all are moved. Retry-After is honoured for an hour at most, a
/// back-off for less; a collector waits for its interval, or, where it is stretched or fails, for
/// some of them.
constexpr const char* kNotifications =
    "UPDATE monitoring.notifications SET next_attempt_at = least(next_attempt_at + $2,"
    "  $1 + interval '1 hour')"
    " WHERE status IN ('queued', 'retrying') AND next_attempt_at > $1"
    " AND (next_attempt_at > $1 + interval '1 hour' OR $3)";
constexpr const char* kPace =
    "UPDATE monitoring_internal.receiver_pace SET full_at = least(full_at + $2, $1 + interval '1 "
    "day'),"
    " limited_until = least(limited_until + $2, $1 + interval '1 hour'),"
    " paused_until = least(paused_until + $2, $1 + interval '1 hour')"
    " WHERE greatest(full_at, limited_until, paused_until) > $1 + interval '1 day'"
    " OR ($3 AND greatest(full_at, limited_until, paused_until) > $1)";
constexpr const char* kCollectors =
    "UPDATE monitoring.collectors SET next_run_at = least(next_run_at + $2,"
    "  $1 + 10 * greatest(every, interval '1 minute'))"
    " WHERE next_run_at > $1 AND (next_run_at > $1 + 10 * greatest(every, interval '1 minute')"
    " OR $3)";

}  // namespace

void bring_outbox_nearer(pg::Spi& spi, Duration step, Instant now, WhichWaits which) {
  for (const char* statement : {kNotifications, kPace}) {
    spi.execute(statement,
                {pg::timestamptz(now), pg::interval(step), pg::boolean(which == WhichWaits::all)});
  }
}

void bring_nearer(pg::Spi& spi, Duration step, Instant now) {
  const auto which = step < Duration::zero() ? WhichWaits::all : WhichWaits::too_long;
  bring_outbox_nearer(spi, step, now, which);
  spi.execute(kCollectors,
              {pg::timestamptz(now), pg::interval(step), pg::boolean(which == WhichWaits::all)});
  if (step == Duration::zero()) return;
  const double seconds = std::chrono::duration<double>(-step).count();
  issues::log_event(spi, "clock_set_back", Json{{"by_seconds", seconds}}.dump());
}

}  // namespace monitoring::outbox
