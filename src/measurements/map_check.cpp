#include "monitoring/measurements/map_check.hpp"

#include "monitoring/pg/memory.hpp"
#include "monitoring/pg/transaction.hpp"

extern "C" {
#include <common/pg_prng.h>
#include <utils/snapmgr.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <set>

#include "monitoring/measurements/raw_scan.hpp"

namespace monitoring::measurements {

namespace {

/// About 50 ms of reading for each partition at the most.
constexpr std::size_t kSampleBlocks = 1000;

std::vector<BlockNumber> sample_of(std::vector<BlockNumber> blocks) {
  if (blocks.size() <= kSampleBlocks) return blocks;
  for (std::size_t i = 0; i < kSampleBlocks; ++i) {
    const std::uint64_t other = pg_prng_uint64_range(&pg_global_prng_state, i, blocks.size() - 1);
    std::swap(blocks[i], blocks[other]);
  }
  blocks.resize(kSampleBlocks);
  return blocks;
}

/// nothing, or what is wrong.
std::string look_at(const Partition& partition, const Progress& seen) {
  const std::string name = pg::call([&] { return RelationGetRelationName(partition.table()); });
  if (!partition.has_map()) return name + " has no index of the access method monitoring_changes";
  // Its rows are counted anew by the next pass, whatever the map says.
  if (seen.file_of(partition.file_id()) != Progress::File::same) return {};
  RawScan scan(partition, GetActiveSnapshot(), &seen);
  // The heap's blocks before the map: what comes meanwhile is in the map.
  const std::vector<BlockNumber> blocks = sample_of(partition.all_blocks());
  const auto named = partition.peek_changed(seen.pass());
  const std::set<BlockNumber> changed(named.begin(), named.end());
  pg::ScratchContext scratch("map check");
  for (const BlockNumber block : blocks) {
    if (changed.count(block) != 0) continue;
    int rows = 0;
    scan.block(block, [&](const RawRow& row) {
      if (!TIMESTAMP_NOT_FINITE(row.timestamp)) ++rows;
    });
    scratch.reset();
    if (rows == 0) continue;
    return name + " has " + std::to_string(rows) + " rows in block " + std::to_string(block) +
           " that no roll-up pass has seen and the map does not name";
  }
  return {};
}

}  // namespace

std::vector<std::string> map_violations(pg::Spi& spi) {
  std::vector<std::string> violations;
  if (spi.read("SELECT FROM monitoring_internal.rollup_progress").empty()) return violations;
  const Progress seen = Progress::read(spi);
  for (const Oid oid : measurement_partitions()) {
    std::string violation;
    const auto error = pg::attempt([&] {
      Partition partition(oid);
      if (partition.open()) violation = look_at(partition, seen);
    });
    if (error) violation = error->what();
    if (!violation.empty()) violations.push_back(violation);
  }
  return violations;
}

}  // namespace monitoring::measurements
