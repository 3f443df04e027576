#pragma once
// Alerts to notifications: the rows of monitoring.alerts through routes, groups, inhibition,
// silences, times and escalations (src/notify/README.md) into the outbox.
//
// For functions with search_path "pg_catalog, pg_temp": names of operators and functions are not
// qualified. Everything is written in the caller's transaction: what is queued, and what is
// remembered of it, commit together.

#include "monitoring/pg/spi.hpp"

namespace monitoring::routing {

/// Brings groups, timers and escalations up to date with the firing and resolved rows of
/// monitoring.alerts, queues the notifications that are due at `now`, and keeps the columns
/// silenced and inhibited. One caller at a time: evaluate_alerts() holds its lock. Rows of the
/// configuration that cannot be used, and receivers that nothing can be queued for, are left out
/// and have an issue each.
void route_alerts(pg::Spi& spi, Instant now);

/// Whether a group's timer has run out: a cheap look, for passes that have changed nothing else.
bool flush_due(pg::Spi& spi, Instant now);

}  // namespace monitoring::routing
