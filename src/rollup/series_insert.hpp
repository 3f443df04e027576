#pragma once
// Private to the room.

#include <cstdint>
#include <vector>

#include "rollup/series_table.hpp"

namespace monitoring::rollup {

/// Writes series of hours of which rollup_state and aggregated_metrics have no row yet: past SQL,
/// many at once. The series are in the order of the indexes. Hours that begin before publish_before
/// are published. False, having done nothing, if one of the tables is not as the extension made it:
/// SQL must do it then.
bool insert_series(const SeriesTable& table, const std::vector<Series*>& series,
                   std::int64_t publish_before);

}  // namespace monitoring::rollup
