#pragma once
// Dead-man's switches: receivers that raise the alarm when they hear nothing.

#include "monitoring/pg/spi.hpp"

namespace monitoring::routing {

/// Queues a ping for each watchdog that is due at `now`. The end of a pass: a pass that fails, or
/// does not come, pings nobody.
void ping_watchdogs(pg::Spi& spi, Instant now);

}  // namespace monitoring::routing
