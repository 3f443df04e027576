#pragma once
// Rows of a partition into series: what a pass does, alone or with parallel workers.

#include <cstdint>
#include <set>
#include <vector>

#include "monitoring/measurements/raw_scan.hpp"
#include "rollup/recompute.hpp"
#include "rollup/series_table.hpp"

namespace monitoring::rollup {

/// Which rows a scan takes.
struct Wanted {
  /// nullptr: every visible row; otherwise rows that it has not seen.
  const measurements::Progress* seen;
  /// Whether the hours below are the only ones, or those that are left out.
  bool only_these;
  const std::set<std::int64_t>& hours;
  /// Of these metrics it is the other way round.
  const KeptMetrics& kept;
  /// Gets the places of rows of the current transaction, if it may have any.
  measurements::OwnRows* own = nullptr;

  bool contains(std::int64_t hour) const {
    return hours.empty() ? !only_these : (hours.count(hour) != 0) == only_these;
  }
};

/// How the tags of metrics are split, as the active snapshot shows it.
std::unordered_map<std::string, MetricShape> metric_shapes(pg::Spi& spi);

/// What a scan found beside the rows.
struct Found {
  std::int64_t rows_taken = 0;
  /// Blocks with a row whose insert the snapshot does not show yet.
  std::vector<BlockNumber> unsettled;
};

/// Scans blocks one after the other.
class HourScan {
 public:
  HourScan(const measurements::Partition& partition, Snapshot snapshot, const Wanted& wanted,
           SeriesTable& table, Found& found)
      : scan_(partition, snapshot, wanted.seen, wanted.own),
        wanted_(wanted),
        table_(table),
        found_(found) {
    look_at_hour(0);
  }

  /// Adds the rows of a block to the table. Leaves memory behind in the current context.
  void block(BlockNumber block);

 private:
  int take(measurements::RawRow* rows, int count);
  bool is_kept(const measurements::RawRow& row) const;
  void look_at_hour(std::int64_t hour);

  measurements::RawScan scan_;
  const Wanted& wanted_;
  SeriesTable& table_;
  Found& found_;
  // Of the row before: most rows lie in the same hour.
  std::int64_t hour_ = 0;
  bool is_wanted_ = false;
  const std::set<std::string>* kept_ = nullptr;  // if any of this hour are
};

}  // namespace monitoring::rollup
