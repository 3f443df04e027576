#pragma once
// What the tables hold of the future, after the clock was set back: it would come too late.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include "monitoring/base/clock.hpp"

namespace monitoring::outbox {

/// Which waits are shortened: all, because the clock was seen to step; or those that are longer
/// than any is made, because it has, or somebody has, been ahead. So a step that both the worker
/// and a pass of alerts take notice of counts once.
enum class WhichWaits { all, too_long };

/// The part of the outbox: notifications that wait, and receivers that want to be left alone.
void bring_outbox_nearer(pg::Spi& spi, Duration step, Instant now, WhichWaits which);

/// Brings what is to be done some time after `now` nearer by this (negative) step. Zero: only what
/// lies further away than any wait is long, because the clock was set back while nobody looked.
void bring_nearer(pg::Spi& spi, Duration step, Instant now);

}  // namespace monitoring::outbox
