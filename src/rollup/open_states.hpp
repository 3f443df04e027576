#pragma once
// Private to the room.

#include "monitoring/pg/spi.hpp"
#include "rollup/series_table.hpp"

namespace monitoring::rollup {

/// Moves states of open hours that begin before closing_before from rollup_state into the table,
/// a few thousand at most, to be written again with what is new: closing an hour then writes each
/// of its series once. Not of days that are rolled up already: those have passed on what they got.
/// Returns whether there were any.
bool take_open_states(SeriesTable& table, Instant closing_before);

}  // namespace monitoring::rollup
