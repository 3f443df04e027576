#include "monitoring/measurements/new_rows.hpp"

#include "monitoring/pg/memory.hpp"
#include "monitoring/pg/periods.hpp"
#include "monitoring/pg/prepared.hpp"

extern "C" {
#include <utils/snapmgr.h>
#include <utils/timestamp.h>
}

namespace monitoring::measurements {

namespace {

std::unordered_set<std::int64_t> rolled_up_hours(pg::Spi& spi) {
  const pg::Rows rows = spi.read(
      "SELECT period_start FROM monitoring_internal.rollup_periods WHERE period = 'hourly'"
      " UNION SELECT period_start FROM monitoring_internal.rollup_state WHERE period = 'hourly'");
  std::unordered_set<std::int64_t> hours;
  for (std::uint64_t i = 0; i < rows.size(); ++i) {
    hours.insert(pg::timestamptz_of(*rows.timestamptz(i, 1)));
  }
  return hours;
}

void scan(const Partition& partition, const std::vector<BlockNumber>& blocks, const Progress* seen,
          const std::function<void(const RawRow&)>& visit) {
  RawScan scan(partition, GetActiveSnapshot(), seen);
  pg::ScratchContext scratch("new measurements");
  for (const BlockNumber block : blocks) {
    scan.block(block, [&](const RawRow& row) {
      if (!TIMESTAMP_NOT_FINITE(row.timestamp)) visit(row);
    });
    scratch.reset();
  }
}

/// Which rows of an hour are new nothing tells, until the next pass has counted them; but those of
/// an hour that no pass has taken anything of all are.
void scan_rewritten(pg::Spi& spi, const Partition& partition,
                    const std::function<void(const RawRow&)>& visit) {
  const auto taken = rolled_up_hours(spi);
  scan(partition, partition.all_blocks(), nullptr, [&](const RawRow& row) {
    if (taken.count(hour_of(row.timestamp)) == 0) visit(row);
  });
}

}  // namespace

void for_each_new_row(pg::Spi& spi, const std::function<void(const RawRow&)>& visit) {
  static pg::Prepared baseline("SELECT FROM monitoring_internal.rollup_progress", {});
  const bool has_baseline = !baseline.read(spi).empty();
  const auto partitions = measurement_partitions();
  if (has_baseline) {
    const Progress progress = Progress::read(spi);
    for (const Oid oid : partitions) {
      Partition partition(oid);
      if (!partition.open()) continue;
      if (progress.file_of(partition.file_id()) == Progress::File::other) {
        scan_rewritten(spi, partition, visit);
        continue;
      }
      scan(partition, partition.peek_changed(progress.pass()), &progress, visit);
    }
    return;
  }
  const auto rolled_up = rolled_up_hours(spi);
  for (const Oid oid : partitions) {
    Partition partition(oid);
    if (!partition.open()) continue;
    scan(partition, partition.all_blocks(), nullptr, [&](const RawRow& row) {
      if (rolled_up.count(hour_of(row.timestamp)) == 0) visit(row);
    });
  }
}

}  // namespace monitoring::measurements
