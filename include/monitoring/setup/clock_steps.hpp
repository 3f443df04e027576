#pragma once
// What the tables hold of the future, after the clock was set back: it would come too late.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include "monitoring/base/clock.hpp"

namespace monitoring::store {

/// Brings what is to be done some time after `now` nearer by this (negative) step. Zero: only what
/// lies further away than any wait is long, because the clock was set back while nobody looked.
void bring_nearer(pg::Spi& spi, Duration step, Instant now);

}  // namespace monitoring::store
