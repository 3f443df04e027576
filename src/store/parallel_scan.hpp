#pragma once
// Blocks of a partition into series, shared out among parallel workers.

#include <cstddef>
#include <vector>

#include "hour_scan.hpp"

namespace monitoring::store {

/// The workers that a scan of so many blocks is worth, of those that
/// max_parallel_maintenance_workers allows.
int parallel_workers(std::size_t blocks);

/// Scans blocks from the one at `first` on: each of the workers, and this process, groups some of
/// them; their series are merged into the table. Stops early where memory_limit is reached, about.
/// The snapshot is the active one. Returns the place of the first block that was not scanned.
std::size_t scan_in_parallel(const Partition& partition, const Wanted& wanted,
                             const std::vector<BlockNumber>& blocks, std::size_t first, int workers,
                             std::size_t memory_limit, SeriesTable& table, Found& found);

}  // namespace monitoring::store
