#pragma once
// Private to the room.

#include <cstdint>
#include <vector>

#include "monitoring/base/clock.hpp"
#include "monitoring/pg/spi.hpp"

namespace monitoring::rollup {

/// Whether the current transaction may have inserted measurements. To be asked before a pass locks
/// or writes anything.
bool may_have_own_rows();

/// Runs a pass that also computes these hours anew from all their raw rows, and then the days and
/// weeks above them. Returns the rows of aggregated_metrics written.
std::int64_t recompute_hours(pg::Spi& spi, const std::vector<std::int64_t>& hours, Instant now);

}  // namespace monitoring::rollup
