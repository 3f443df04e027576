#pragma once
// Merges new measurements into the states of hours that are still open.

#include <vector>

#include "rollup/series_table.hpp"

namespace monitoring::rollup {

/// Merges series, in the order of the primary key, into what rollup_state has of them, and inserts
/// the others. For hours that were never closed and of which no day was made: only passes write
/// those, one at a time. Rows are updated in place, without their indexes where the page has room.
/// False, having done nothing, if the table is not as the extension made it: SQL must do it then.
bool update_series(SeriesTable& table, const std::vector<Series*>& series);

}  // namespace monitoring::rollup
