#include "rollup/rewrites.hpp"

#include "monitoring/pg/memory.hpp"

extern "C" {
#include <access/htup_details.h>
#include <access/sysattr.h>
#include <access/transam.h>
#include <utils/builtins.h>
#include <utils/syscache.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>

#include "monitoring/measurements/partitions.hpp"
#include "rollup/series_table.hpp"

namespace monitoring::rollup {

namespace {

/// Hours [first, end).
struct Range {
  std::int64_t first, end;
  bool contains(std::int64_t hour) const { return hour >= first && hour < end; }
};

/// The hours of each partition of ours, by its oid; all others share what is left.
std::map<Oid, Range> days() {
  std::map<Oid, Range> ranges;
  for (const measurements::DayPartition& partition : measurements::day_partitions()) {
    const std::int64_t start = pg::timestamptz_of(partition.start);
    ranges.emplace(partition.oid, Range{start, start + 24 * kHourUs});
  }
  return ranges;
}

/// The transaction that changed the table's definition last: a rewrite, TRUNCATE or ATTACH, or a
/// later one. Also where the row is frozen.
TransactionId last_definer(Oid table) {
  HeapTuple row = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
  if (!HeapTupleIsValid(row)) return ReadNextTransactionId();
  const TransactionId xid = HeapTupleHeaderGetRawXmin(row->t_data);
  ReleaseSysCache(row);
  return xid;
}

}  // namespace

bool Rewrites::is_older_than_last_pass(Oid partition) const {
  // Rows of system columns stay as CREATE TABLE made them.
  return pg::call([&] {
    HeapTuple row = SearchSysCache2(ATTNUM, ObjectIdGetDatum(partition),
                                    Int16GetDatum(TableOidAttributeNumber));
    if (!HeapTupleIsValid(row)) return true;
    const bool is_older = seen_.has_seen_all_of(
        measurements::full_transaction_id(HeapTupleHeaderGetRawXmin(row->t_data)));
    ReleaseSysCache(row);
    return is_older;
  });
}

bool Rewrites::have(const measurements::Partition& partition) {
  const Oid oid = RelationGetRelid(partition.table());
  const measurements::Progress::File file = seen_.file_of(partition.file_id());
  if (file == measurements::Progress::File::same) return false;
  // Not known, and made since the last pass: so were its rows.
  if (file == measurements::Progress::File::unknown && !is_older_than_last_pass(oid)) return false;
  partitions_.emplace(oid, seen_.up_to(pg::call([&] { return last_definer(oid); })));
  return true;
}

const measurements::Progress* Rewrites::counted_up_to(Oid partition) const {
  const auto found = partitions_.find(partition);
  return found == partitions_.end() ? nullptr : &found->second;
}

/// Adds `each` to the count of every row that the scan visits.
void Rewrites::count_rows(measurements::RawScan& scan, const measurements::Partition& partition,
                          std::int64_t each) {
  pg::ScratchContext scratch("rewritten measurements");
  std::int64_t* count = nullptr;
  Key last;
  for (const BlockNumber block : partition.all_blocks()) {
    scan.block(block, [&](const measurements::RawRow& row) {
      if (TIMESTAMP_NOT_FINITE(row.timestamp)) return;
      const struct varlena* name = pg_detoast_datum_packed(row.metric_name);
      const std::string_view bytes(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
      if (count == nullptr || last.second != bytes || !is_in_hour(row.timestamp, last.first)) {
        last = {hour_of(row.timestamp), std::string(bytes)};
        count = &rows_[last];
      }
      *count += each;
    });
    scratch.reset();
  }
}

/// All rows, less those that are new for sure.
void Rewrites::count_rows(Oid oid) {
  measurements::Partition partition(oid);
  if (!partition.open()) return;
  measurements::RawScan all(partition, snapshot_, nullptr);
  count_rows(all, partition, 1);
  const measurements::Progress* seen = counted_up_to(oid);
  measurements::RawScan unseen(partition, snapshot_, seen != nullptr ? seen : &seen_);
  count_rows(unseen, partition, -1);
}

void Rewrites::compare(const Key& key, std::int64_t rolled_up, bool is_closed,
                       Recompute& recompute) {
  const auto found = rows_.find(key);
  const std::int64_t rows = found == rows_.end() ? 0 : found->second;
  if (rows == rolled_up || !is_complete(spi_, key.first)) return;
  if (is_closed && rows < rolled_up) return note_purged(spi_, key.first, key.second);
  recompute.add(key.first);
}

void Rewrites::reconcile(Recompute& recompute) {
  const std::map<Oid, Range> ranges = days();
  const auto is_day = [&](Oid oid) { return ranges.count(oid) != 0; };
  const bool has_others = !std::all_of(partitions_.begin(), partitions_.end(),
                                       [&](const auto& each) { return is_day(each.first); });
  for (const auto& [oid, seen] : partitions_) count_rows(oid);
  if (has_others) {
    // An hour outside of the days may lie in any partition that is none of ours.
    for (const Oid oid : measurements::measurement_partitions()) {
      if (!is_day(oid) && partitions_.count(oid) == 0) count_rows(oid);
    }
  }
  // Rows were moved out of these or changed: they are computed anew as it is.
  const std::set<std::int64_t> corrected = recompute.hours();
  const auto is_concerned = [&](std::int64_t hour) {
    if (corrected.count(hour) != 0) return false;
    const auto day = std::find_if(ranges.begin(), ranges.end(),
                                  [&](const auto& each) { return each.second.contains(hour); });
    if (day == ranges.end()) return has_others;
    return partitions_.count(day->first) != 0;
  };
  const pg::Rows states = spi_.query(
      "SELECT s.period_start, s.metric_name, pg_catalog.sum(s.count_value)::bigint,"
      " EXISTS (SELECT FROM monitoring_internal.rollup_periods p"
      "  WHERE p.period = 'hourly' AND p.period_start = s.period_start)"
      " FROM monitoring_internal.rollup_state s WHERE s.period = 'hourly'"
      " GROUP BY s.period_start, s.metric_name");
  for (std::uint64_t i = 0; i < states.size(); ++i) {
    const Key key{pg::timestamptz_of(*states.timestamptz(i, 1)), *states.text(i, 2)};
    if (!is_concerned(key.first)) continue;
    compare(key, *states.int8(i, 3), *states.boolean(i, 4), recompute);
    rows_.erase(key);
  }
  // What is left has never been rolled up.
  for (const auto& [key, rows] : rows_) {
    if (rows > 0 && is_concerned(key.first) && is_complete(spi_, key.first))
      recompute.add(key.first);
  }
}

}  // namespace monitoring::rollup
