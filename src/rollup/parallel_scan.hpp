#pragma once
// Blocks of a partition into series, shared out among parallel workers.

#include <cstddef>
#include <vector>

#include "rollup/hour_scan.hpp"

namespace monitoring::rollup {

/// The workers that a scan of so many blocks is worth, of those that
/// max_parallel_maintenance_workers allows.
int parallel_workers(std::size_t blocks);

/// Moves some of the blocks, from all over, to the front. Returns how many: what they hold tells
/// whether sharing out the rest pays. 0: it is shared out in any case, as
/// min_parallel_table_scan_size = 0 asks for.
std::size_t sample_first(std::vector<BlockNumber>& blocks);
/// What a sample of the blocks, so large a part of them, held.
struct Sample {
  double part;
  std::size_t rows;
  std::size_t new_series;
  std::size_t held_series;  // known before
};
/// Whether it does: a series takes as long to be sent and merged as some tens of rows to be
/// scanned.
bool pays_to_share(const Sample& sample);

/// Scans blocks from the one at `first` on: each of the workers, and this process, groups some of
/// them; their series are merged into the table. Stops early where memory_limit is reached, about.
/// The snapshot is the active one. Returns the place of the first block that was not scanned.
std::size_t scan_in_parallel(const measurements::Partition& partition, const Wanted& wanted,
                             const std::vector<BlockNumber>& blocks, std::size_t first, int workers,
                             std::size_t memory_limit, SeriesTable& table, Found& found);

}  // namespace monitoring::rollup
