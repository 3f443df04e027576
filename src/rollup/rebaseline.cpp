// A new beginning for roll-ups after a restore: which rows count as seen.

#include "monitoring/rollup/rollup.hpp"

extern "C" {
#include <utils/snapmgr.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <unordered_map>
#include <vector>

#include "monitoring/measurements/progress.hpp"
#include "monitoring/measurements/raw_scan.hpp"
#include "rollup/rollup_pass.hpp"
#include "rollup/series_table.hpp"

namespace monitoring::rollup {

namespace {

/// How far before the last rolled-up hour raw rows are counted again, to find those that came late
/// and were dumped before a pass took them.
constexpr std::int64_t kRecountUs = 48 * kHourUs;

struct Hours {
  std::unordered_map<std::int64_t, std::int64_t> raw_rows;
  std::unordered_map<std::int64_t, std::int64_t> rolled_up_rows;
  std::int64_t last = DT_NOBEGIN;
};

Hours rolled_up(pg::Spi& spi) {
  Hours hours;
  const pg::Rows rows = spi.query(
      "SELECT p.period_start, (SELECT COALESCE(pg_catalog.sum(s.count_value), 0)::bigint"
      " FROM monitoring_internal.rollup_state s WHERE s.period = 'hourly'"
      "  AND s.period_start = p.period_start)"
      " FROM monitoring_internal.rollup_periods p WHERE p.period = 'hourly'");
  for (std::uint64_t i = 0; i < rows.size(); ++i) {
    const std::int64_t hour = pg::timestamptz_of(*rows.timestamptz(i, 1));
    hours.rolled_up_rows[hour] = *rows.int8(i, 2);
    hours.last = std::max(hours.last, hour);
  }
  return hours;
}

bool may_hold_new_rows(pg::Spi& spi, Oid partition, std::int64_t recount_from) {
  // The bound of a day's partition is its last instant; the default partition has none.
  const pg::Rows rows = spi.query(
      "SELECT COALESCE(pg_catalog.substring(pg_catalog.pg_get_expr(relpartbound, oid),"
      " 'TO \\\\(''([^'']+)''\\\\)')::timestamptz > $2, true)"
      " FROM pg_catalog.pg_class WHERE oid = $1",
      {pg::int8(partition), pg::timestamptz(pg::instant_of(recount_from))});
  return !rows.empty() && *rows.boolean(0, 1);
}

measurements::OwnRows own_rows(const measurements::Partition& partition) {
  measurements::OwnRows rows;
  measurements::RawScan scan(partition, GetActiveSnapshot(), nullptr, &rows);
  for (const BlockNumber block : partition.all_blocks()) {
    scan.block(block, [](const measurements::RawRow&) {});
  }
  return rows;
}

}  // namespace

void rebaseline(pg::Spi& spi, Instant now) {
  const bool has_own_rows = may_have_own_rows();
  spi.execute("DELETE FROM monitoring_internal.rollup_progress");
  measurements::Progress baseline = measurements::Progress::baseline(GetActiveSnapshot());
  for (const Oid oid : measurements::measurement_partitions()) {
    measurements::Partition partition(oid);
    if (!partition.open()) continue;
    baseline.remember_file(partition.file_id());
    if (has_own_rows) baseline.add_own_rows(own_rows(partition));
  }
  baseline.save(spi);
  // Whoever inserted what was deleted did it in the original.
  spi.execute("UPDATE monitoring_internal.rollup_corrections SET inserter = 0");

  Hours hours = rolled_up(spi);
  const std::int64_t recount_from = hours.last == DT_NOBEGIN ? DT_NOBEGIN : hours.last - kRecountUs;
  for (const Oid oid : measurements::measurement_partitions()) {
    if (!may_hold_new_rows(spi, oid, recount_from)) continue;
    measurements::Partition partition(oid);
    if (!partition.open()) continue;
    measurements::RawScan scan(partition, GetActiveSnapshot(), nullptr);
    for (const BlockNumber block : partition.all_blocks()) {
      scan.block(block, [&](const measurements::RawRow& row) {
        if (TIMESTAMP_NOT_FINITE(row.timestamp)) return;
        const std::int64_t hour = hour_of(row.timestamp);
        const bool never_rolled_up = hours.rolled_up_rows.count(hour) == 0;
        if (hour >= recount_from || never_rolled_up) ++hours.raw_rows[hour];
      });
    }
  }
  std::vector<std::int64_t> due;
  for (const auto& [hour, rows] : hours.raw_rows) {
    const auto rolled = hours.rolled_up_rows.find(hour);
    if (rolled == hours.rolled_up_rows.end() || rows > rolled->second) due.push_back(hour);
  }
  recompute_hours(spi, due, now);
}

}  // namespace monitoring::rollup
