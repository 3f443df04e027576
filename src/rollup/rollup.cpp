// The hourly pass: from raw rows to the state of their hours. See README.md of this room.

#include "monitoring/rollup/rollup.hpp"

#include "monitoring/pg/memory.hpp"
#include "monitoring/pg/prepared.hpp"
#include "monitoring/pg/snapshot.hpp"

extern "C" {
#include <access/xact.h>
#include <utils/builtins.h>
#include <utils/snapmgr.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "monitoring/measurements/new_rows.hpp"
#include "monitoring/measurements/progress.hpp"
#include "monitoring/measurements/raw_scan.hpp"
#include "rollup/high_cardinality.hpp"
#include "rollup/hour_scan.hpp"
#include "rollup/open_states.hpp"
#include "rollup/parallel_scan.hpp"
#include "rollup/recompute.hpp"
#include "rollup/rewrites.hpp"
#include "rollup/rollup_levels.hpp"
#include "rollup/rollup_pass.hpp"
#include "rollup/series_flush.hpp"
#include "rollup/series_table.hpp"

namespace monitoring::rollup {

namespace {

/// A pass writes out what it has grouped when it holds this much, and goes on.
constexpr std::size_t kMaxTableBytes = 256UL * 1024 * 1024;

bool anything_changed(const measurements::Progress& progress) {
  for (const Oid oid : measurements::measurement_partitions()) {
    measurements::Partition partition(oid);
    if (!partition.open()) continue;
    if (progress.file_of(partition.file_id()) == measurements::Progress::File::other) return true;
    if (!partition.peek_changed(progress.pass()).empty()) return true;
  }
  return false;
}

bool has_open_states_before(pg::Spi& spi, Instant publish_before) {
  return *spi.query(
                 "SELECT EXISTS (SELECT FROM monitoring_internal.rollup_state"
                 " WHERE NOT published AND period_start < $1)",
                 {pg::timestamptz(publish_before)})
              .boolean(0, 1);
}

/// Closed hours begin before this.
Instant start_of_open_hour(Instant now) {
  return pg::instant_of(hour_of(pg::timestamptz_of(now)));
}

/// One hourly pass.
class Pass {
 public:
  /// publish_before: hours that begin before it are published; Instant::min() publishes none.
  Pass(pg::Spi& spi, Instant publish_before)
      : spi_(spi),
        publish_before_(publish_before),
        may_have_own_rows_(may_have_own_rows()),
        before_(measurements::Progress::lock(spi)),
        recompute_(take_corrections(spi, before_)),
        after_(before_.after(snapshot_.get())),
        rewrites_(spi, before_, snapshot_.get()),
        table_(metric_shapes(spi)) {}

  Recompute& recompute() { return recompute_; }

  HourlyResult run();

 private:
  void look_at_files();
  void forget(const std::vector<std::int64_t>& hours);
  void take_closing_hours();
  void scan_new();
  void scan_recomputed();
  void scan(const measurements::Partition& partition, std::vector<BlockNumber> blocks,
            const Wanted& wanted);
  std::size_t scan_shared(const measurements::Partition& partition,
                          std::vector<BlockNumber>& blocks, const Wanted& wanted, HourScan& alone);
  void flush();
  void publish_closed();

  pg::Spi& spi_;
  Instant publish_before_;
  bool may_have_own_rows_;
  measurements::Progress before_;
  // Before the snapshot: a correction that is taken must not be newer than what the scan sees.
  Recompute recompute_;
  pg::FreshSnapshot snapshot_;
  measurements::Progress after_;
  Rewrites rewrites_;
  SeriesTable table_;
  Found found_;
  measurements::OwnRows own_rows_;
  HourlyResult result_;
};

/// Remembers where the rows of each partition lie now. Whose transaction ids do not tell any more
/// what was seen is counted, and hours that do not come out right are computed anew.
void Pass::look_at_files() {
  for (const Oid oid : measurements::measurement_partitions()) {
    measurements::Partition partition(oid);
    if (!partition.open()) continue;
    after_.remember_file(partition.file_id());
    // The map before the heap: see src/measurements/FORMAT-changes.md.
    if (rewrites_.have(partition)) partition.take_changed(before_.pass(), after_.pass());
  }
  if (!rewrites_.empty()) rewrites_.reconcile(recompute_);
}

void Pass::forget(const std::vector<std::int64_t>& hours) {
  if (hours.empty()) return;
  recompute_.keep_purged(spi_, hours);
  std::vector<Instant> whole;
  for (const std::int64_t hour : hours) {
    if (recompute_.kept(hour).empty())
      whole.push_back(pg::instant_of(hour));
    else
      forget_all_but(spi_, pg::instant_of(hour), recompute_.kept(hour));
  }
  forget_hours(spi_, whole);
  // What lies above is made again from the hours, which are all there.
  for (const auto& [start, end] : runs_of(hours)) {
    forget_level(spi_, kDaily, pg::instant_of(start), pg::instant_of(end));
    forget_level(spi_, kWeekly, pg::instant_of(start), pg::instant_of(end));
  }
}

void Pass::take_closing_hours() {
  if (!has_open_states_before(spi_, publish_before_)) return;
  while (take_open_states(table_, publish_before_)) {
    if (table_.memory_bytes() > kMaxTableBytes) flush();
  }
}

void Pass::scan(const measurements::Partition& partition, std::vector<BlockNumber> blocks,
                const Wanted& wanted) {
  found_.unsettled.clear();
  HourScan alone(partition, snapshot_.get(), wanted, table_, found_);
  std::size_t next = 0;
  // Parallel workers know of the last pass, and of nothing else that a row is judged by.
  const bool is_plain = wanted.kept.empty() && wanted.own == nullptr &&
                        (wanted.seen == nullptr || wanted.seen == &before_);
  if (is_plain && parallel_workers(blocks.size()) > 0) {
    next = scan_shared(partition, blocks, wanted, alone);
  }
  pg::ScratchContext scratch("roll-up block");
  for (; next < blocks.size(); ++next) {
    alone.block(blocks[next]);
    scratch.reset();
    if (table_.memory_bytes() > kMaxTableBytes) flush();
  }
  for (const BlockNumber block : found_.unsettled) partition.mark(block);
}

/// Shares out the blocks among parallel workers, if a sample of them says that it pays. Returns the
/// place of the first one that was not scanned.
std::size_t Pass::scan_shared(const measurements::Partition& partition,
                              std::vector<BlockNumber>& blocks, const Wanted& wanted,
                              HourScan& alone) {
  const std::size_t sample = sample_first(blocks);
  const std::size_t held = table_.series().size();
  const std::int64_t taken = found_.rows_taken;
  pg::ScratchContext scratch("roll-up sample");
  for (std::size_t i = 0; i < sample; ++i) {
    alone.block(blocks[i]);
    scratch.reset();
  }
  const Sample found{static_cast<double>(sample) / static_cast<double>(blocks.size()),
                     static_cast<std::size_t>(found_.rows_taken - taken),
                     table_.series().size() - held, held};
  if (sample > 0 && !pays_to_share(found)) return sample;
  const int workers = parallel_workers(blocks.size() - sample);
  if (workers == 0) return sample;
  const std::size_t next =
      scan_in_parallel(partition, wanted, blocks, sample, workers, kMaxTableBytes, table_, found_);
  if (table_.memory_bytes() > kMaxTableBytes) flush();
  return next;
}

void Pass::scan_new() {
  for (const Oid oid : measurements::measurement_partitions()) {
    measurements::Partition partition(oid);
    if (!partition.open()) continue;
    const measurements::Progress* counted = rewrites_.counted_up_to(oid);
    const Wanted wanted{counted != nullptr ? counted : &before_, false, recompute_.hours(),
                        recompute_.kept(), may_have_own_rows_ ? &own_rows_ : nullptr};
    scan(partition,
         counted != nullptr ? partition.all_blocks()
                            : partition.take_changed(before_.pass(), after_.pass()),
         wanted);
  }
}

void Pass::scan_recomputed() {
  if (recompute_.empty()) return;
  const Wanted wanted{nullptr, true, recompute_.hours(), recompute_.kept()};
  for (const Oid oid : measurements::measurement_partitions()) {
    measurements::Partition partition(oid);
    if (partition.open()) scan(partition, partition.all_blocks(), wanted);
  }
}

void Pass::flush() {
  note_high_cardinality(spi_, table_);
  result_.rows_written += flush_series(spi_, table_, pg::timestamptz_of(publish_before_));
  table_.clear();
}

void Pass::publish_closed() {
  if (!has_open_states_before(spi_, publish_before_)) return;
  static const std::string statement =
      "WITH published AS (UPDATE monitoring_internal.rollup_state SET published = true"
      " WHERE NOT published AND period_start < $1 RETURNING *),"
      " closed AS (INSERT INTO monitoring_internal.rollup_periods (period, period_start, "
      "rolled_up_at)"
      " SELECT DISTINCT 'hourly', period_start, pg_catalog.now() FROM published"
      " ON CONFLICT (period, period_start) DO NOTHING) " +
      publish_statement("published WHERE true");
  result_.rows_written += static_cast<std::int64_t>(
      spi_.execute(statement.c_str(), {pg::timestamptz(publish_before_)}));
}

HourlyResult Pass::run() {
  look_at_files();
  forget({recompute_.hours().begin(), recompute_.hours().end()});
  take_closing_hours();
  scan_new();
  scan_recomputed();
  flush();
  publish_closed();
  after_.add_own_rows(own_rows_);
  after_.save(spi_);
  result_.rows_taken = found_.rows_taken;
  return result_;
}

}  // namespace

bool may_have_own_rows() {
  return TransactionIdIsValid(GetTopTransactionIdIfAny());
}

HourlyResult roll_up_hours(pg::Spi& spi, Instant now, bool publish) {
  const Instant publish_before = publish ? start_of_open_hour(now) : Instant::min();
  const measurements::Progress progress = measurements::Progress::read(spi);
  if (!anything_changed(progress) && !has_corrections(spi) &&
      !(publish && has_open_states_before(spi, publish_before))) {
    return {};
  }
  return Pass(spi, publish_before).run();
}

std::int64_t recompute_hours(pg::Spi& spi, const std::vector<std::int64_t>& hours, Instant now) {
  Pass pass(spi, start_of_open_hour(now));
  for (const std::int64_t hour : hours) pass.recompute().add(hour);
  const HourlyResult result = pass.run();
  return result.rows_written + roll_up_days(spi, now) + roll_up_weeks(spi, now);
}

std::int64_t roll_up_days(pg::Spi& spi, Instant now) {
  return roll_up_level(spi, kDaily, now);
}

std::int64_t roll_up_weeks(pg::Spi& spi, Instant now) {
  return roll_up_level(spi, kWeekly, now);
}

namespace {

void require_complete_raw(pg::Spi& spi, Instant from, Instant to) {
  const pg::Rows rows = spi.query(
      "SELECT pg_catalog.min(period_start) FROM monitoring_internal.rollup_periods"
      " WHERE (period = 'hourly' AND raw_removed AND period_start >= $1 AND period_start < $2)"
      " OR (period = 'hourly' AND rows_removed"
      "  AND period_start >= pg_catalog.date_trunc('day', $1, 'UTC')"
      "  AND period_start < pg_catalog.date_trunc('day', $2, 'UTC') + interval '24 hours')"
      " OR (period = 'daily' AND rows_removed"
      "  AND period_start >= pg_catalog.date_trunc('week', $1, 'UTC')"
      "  AND period_start < pg_catalog.date_trunc('week', $2, 'UTC') + interval '168 hours')",
      {pg::timestamptz(from), pg::timestamptz(to)});
  if (rows.is_null(0, 1)) return;
  throw pg::Report(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                   "measurements needed to compute these roll-ups again were removed by retention")
      .detail("The hour of " + *rows.text(0, 1) + " is not complete any more.")
      .hint("Begin later. Roll-ups already made stay as they are.");
}

}  // namespace

std::int64_t refresh_rollups(pg::Spi& spi, Instant from, Instant to, Instant now) {
  if (from >= to || from == Instant::min() || to == Instant::max()) {
    throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE,
                     "start_at must be before end_at, both finite");
  }
  // Each hour is asked for by itself: no list of them may grow without bound.
  constexpr Duration kLongest = std::chrono::hours(24 * 366 * 100);
  if (from < now - kLongest || to > now + kLongest) {
    throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE,
                     "start_at and end_at must lie within 100 years from now");
  }
  const Instant open_hour = start_of_open_hour(now);
  const std::int64_t first = hour_of(pg::timestamptz_of(from) + kHourUs - 1);
  const std::int64_t end = pg::timestamptz_of(std::min(to, open_hour));
  if (first >= end) return 0;
  require_complete_raw(spi, pg::instant_of(first), pg::instant_of(end));
  std::vector<std::int64_t> hours;
  for (std::int64_t hour = first; hour < end; hour += kHourUs) hours.push_back(hour);
  // Asked for in so many words: from the rows that are there, whatever was purged.
  forget_purged(spi, pg::instant_of(first), pg::instant_of(end));
  return recompute_hours(spi, hours, now);
}

std::int64_t pending_periods(pg::Spi& spi, const std::string& period, Instant now) {
  if (period == kDaily.name) return pending_in_level(spi, kDaily, now);
  if (period == kWeekly.name) return pending_in_level(spi, kWeekly, now);
  if (period != kDaily.finer) {
    throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, "unknown period \"" + period + "\"")
        .hint("Periods are hourly, daily and weekly.");
  }
  const Instant open_hour = start_of_open_hour(now);
  std::set<std::int64_t> hours;
  const pg::Rows open = spi.read(
      "SELECT DISTINCT period_start FROM monitoring_internal.rollup_state"
      " WHERE NOT published AND period_start < $1",
      {pg::timestamptz(open_hour)});
  for (std::uint64_t i = 0; i < open.size(); ++i) {
    hours.insert(pg::timestamptz_of(*open.timestamptz(i, 1)));
  }
  const std::int64_t open_start = pg::timestamptz_of(open_hour);
  measurements::for_each_new_row(spi, [&](const measurements::RawRow& row) {
    if (row.timestamp < open_start) hours.insert(hour_of(row.timestamp));
  });
  return static_cast<std::int64_t>(hours.size());
}

}  // namespace monitoring::rollup
