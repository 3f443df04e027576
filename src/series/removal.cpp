#include "monitoring/pg/prepared.hpp"
#include "monitoring/pg/snapshot.hpp"
#include "monitoring/series/maintenance.hpp"

extern "C" {
#include <catalog/pg_type.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <map>
#include <set>

#include "monitoring/series/store_source.hpp"
#include "series/store_rows.hpp"

namespace monitoring::series {

namespace {

/// Chunks that one statement removes or rewrites.
constexpr std::int64_t kMostChunks = 1000;

/// How many samples were removed, by series.
using Counts = std::map<std::int64_t, std::int64_t>;

std::int64_t total(const Counts& counts) {
  std::int64_t sum = 0;
  for (const auto& [id, count] : counts) sum += count;
  return sum;
}

void subtract(pg::Spi& spi, const Counts& counts, std::optional<Instant> first_at) {
  std::vector<std::int64_t> ids, numbers;
  for (const auto& [id, count] : counts) {
    ids.push_back(id);
    numbers.push_back(count);
  }
  if (ids.empty()) return;
  spi.execute(
      "UPDATE monitoring_internal.stored_series AS s SET"
      " sample_count = greatest(s.sample_count - u.c, 0),"
      " first_at = CASE WHEN s.sample_count > u.c THEN greatest(s.first_at, $3) END,"
      " last_at = CASE WHEN s.sample_count > u.c THEN s.last_at END"
      " FROM unnest($1, $2) AS u (i, c) WHERE s.series_id = u.i",
      {pg::int8_array(ids), pg::int8_array(numbers), pg::timestamptz(first_at)});
}

/// A damaged chunk that is too old goes like any other; nobody knows whose samples it had.
std::size_t remove_some_chunks(Instant before, Counts* counts) {
  pg::Spi removing;
  const pg::Rows rows = removing.query(
      "DELETE FROM monitoring_internal.sample_chunks WHERE ctid = ANY (ARRAY(SELECT ctid"
      " FROM monitoring_internal.sample_chunks WHERE end_at < $1 LIMIT $2))"
      " RETURNING chunk_id, samples",
      {pg::timestamptz(before), pg::int8(kMostChunks)});
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    const auto chunk = chunk::Chunk::open(bytes_at(rows, row, 2));
    for (std::size_t run = 0; chunk.ok() && run < chunk->runs(); ++run) {
      (*counts)[static_cast<std::int64_t>(chunk->series_id(run))] +=
          static_cast<std::int64_t>(chunk->samples(run));
    }
  }
  return rows.size();
}

/// Labels that nothing has any more. First locked, then looked at with a later snapshot: who makes
/// a series with one of them meanwhile has the lock, or is seen, or finds it gone and makes it
/// anew.
void remove_labels(pg::Spi& spi, const std::vector<std::int64_t>& candidates) {
  if (candidates.empty() || IsolationUsesXactSnapshot()) return;
  const pg::Rows rows = spi.query(
      "SELECT label_id FROM monitoring_internal.label_values WHERE label_id = ANY ($1)"
      " FOR UPDATE SKIP LOCKED",
      {pg::int8_array(candidates)});
  std::vector<std::int64_t> locked;
  for (std::uint64_t row = 0; row < rows.size(); ++row) locked.push_back(*rows.int8(row, 1));
  spi.execute(
      "DELETE FROM monitoring_internal.label_values AS v WHERE label_id = ANY ($1)"
      " AND NOT EXISTS (SELECT FROM monitoring_internal.stored_series AS s"
      "  WHERE s.label_ids @> ARRAY[v.label_id])",
      {pg::int8_array(locked)});
}

/// In two steps. A series without samples is marked. One that is still marked when every
/// transaction that may not have seen the mark is over is removed: who writes to a marked one takes
/// the mark away.
void remove_empty_series(pg::Spi& spi, Instant before) {
  static pg::Prepared remove(
      "WITH gone AS (DELETE FROM monitoring_internal.stored_series AS s"
      "  WHERE s.retired_by < pg_snapshot_xmin(pg_current_snapshot())"
      "  AND (s.last_at IS NULL OR s.last_at < $1)"
      "  AND NOT EXISTS (SELECT FROM monitoring_internal.batched_samples() AS b"
      "   WHERE b.series_id = s.series_id) RETURNING s.label_ids)"
      " SELECT DISTINCT unnest(label_ids) FROM gone",
      {TIMESTAMPTZOID});
  static pg::Prepared mark(
      "UPDATE monitoring_internal.stored_series AS s SET retired_by = pg_current_xact_id()"
      " WHERE (s.retired_by IS NULL OR s.retired_by > pg_current_xact_id())"
      " AND (s.last_at IS NULL OR s.last_at < $1)"
      " AND NOT EXISTS (SELECT FROM monitoring_internal.batched_samples() AS b"
      "  WHERE b.series_id = s.series_id)",
      {TIMESTAMPTZOID});
  std::vector<std::int64_t> labels;
  {
    pg::Spi removing;
    const pg::Rows rows = remove.query(removing, {pg::timestamptz(before)});
    for (std::uint64_t row = 0; row < rows.size(); ++row) labels.push_back(*rows.int8(row, 1));
  }
  remove_labels(spi, labels);
  mark.execute(spi, {pg::timestamptz(before)});
}

std::int64_t remove_batches(pg::Spi& spi, Instant before) {
  return *spi.query(
                 "WITH gone AS (DELETE FROM monitoring_internal.sample_batches WHERE end_at < $1"
                 "  RETURNING sample_count) SELECT coalesce(sum(sample_count), 0)::bigint FROM "
                 "gone",
                 {pg::timestamptz(before)})
              .int8(0, 1);
}

/// Takes the samples of the wanted series out of rows.
class Deletion {
 public:
  Deletion(pg::Spi& spi, std::int64_t start_ms, std::int64_t end_ms)
      : spi_(spi), start_ms_(start_ms), end_ms_(end_ms) {}

  void add(std::int64_t series_id) { wanted_.insert(series_id); }
  void delete_from_chunks(std::int64_t group_id);
  void delete_from_batches();
  /// Of the series' rows; returns the number of all samples.
  std::int64_t finish() {
    subtract(spi_, from_chunks_, std::nullopt);
    return total(from_chunks_) + from_batches_;
  }

 private:
  bool is_wanted(std::uint64_t series_id, std::int64_t time_ms) const {
    return time_ms >= start_ms_ && time_ms <= end_ms_ &&
           wanted_.count(static_cast<std::int64_t>(series_id)) > 0;
  }
  void rewrite_chunk(std::int64_t chunk_id, const chunk::Chunk& chunk);

  pg::Spi& spi_;
  std::int64_t start_ms_;
  std::int64_t end_ms_;
  std::set<std::int64_t> wanted_;
  Counts from_chunks_;
  std::int64_t from_batches_ = 0;
};

void Deletion::delete_from_chunks(std::int64_t group_id) {
  static pg::Prepared statement(
      "SELECT chunk_id, samples FROM monitoring_internal.sample_chunks"
      " WHERE group_id = $1 AND end_at >= $2 AND start_at <= $3 ORDER BY chunk_id FOR UPDATE",
      {INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID});
  pg::Spi reading;
  const pg::Rows rows =
      statement.query(reading, {pg::int8(group_id), pg::timestamptz(instant_of_ms(start_ms_)),
                                pg::timestamptz(instant_of_ms(end_ms_))});
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    rewrite_chunk(*rows.int8(row, 1), chunk_at(rows, row, 1, 2));
  }
}

void Deletion::rewrite_chunk(std::int64_t chunk_id, const chunk::Chunk& chunk) {
  std::vector<chunk::SampleRun> left;
  std::int64_t removed = 0;
  std::int64_t kept = 0;
  for (std::size_t i = 0; i < chunk.runs(); ++i) {
    const chunk::SampleRun run = run_of(chunk, i, chunk_id);
    chunk::SampleRun rest;
    rest.series_id = run.series_id;
    for (std::size_t at = 0; at < run.values.size(); ++at) {
      if (is_wanted(run.series_id, run.times_ms[at])) {
        ++from_chunks_[static_cast<std::int64_t>(run.series_id)];
        ++removed;
        continue;
      }
      rest.times_ms.push_back(run.times_ms[at]);
      rest.values.push_back(run.values[at]);
    }
    kept += static_cast<std::int64_t>(rest.values.size());
    if (!rest.values.empty()) left.push_back(std::move(rest));
  }
  if (removed == 0) return;
  if (left.empty()) {
    spi_.execute("DELETE FROM monitoring_internal.sample_chunks WHERE chunk_id = $1",
                 {pg::int8(chunk_id)});
    return;
  }
  const Result<std::string> bytes = chunk::encode(left);
  if (!bytes) throw pg::Report(ERRCODE_INTERNAL_ERROR, bytes.error());
  spi_.execute(
      "UPDATE monitoring_internal.sample_chunks SET samples = $2, sample_count = $3"
      " WHERE chunk_id = $1",
      {pg::int8(chunk_id), bytes_param(*bytes), pg::int4(static_cast<std::int32_t>(kept))});
}

void Deletion::delete_from_batches() {
  pg::Spi reading;
  const pg::Rows rows = reading.query(
      "SELECT batch_id, samples FROM monitoring_internal.sample_batches WHERE end_at >= $1"
      " AND start_at <= $2 AND first_series <= $4 AND last_series >= $3 ORDER BY batch_id",
      {pg::timestamptz(instant_of_ms(start_ms_)), pg::timestamptz(instant_of_ms(end_ms_)),
       pg::int8(*wanted_.begin()), pg::int8(*wanted_.rbegin())});
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    std::vector<chunk::Sample> samples = batch_at(rows, row, 1, 2);
    const std::size_t before = samples.size();
    samples.erase(std::remove_if(samples.begin(), samples.end(),
                                 [&](const chunk::Sample& sample) {
                                   return is_wanted(sample.series_id, sample.time_ms);
                                 }),
                  samples.end());
    if (samples.size() == before) continue;
    from_batches_ += static_cast<std::int64_t>(before - samples.size());
    const pg::Param batch_id = pg::int8(*rows.int8(row, 1));
    if (samples.empty()) {
      spi_.execute("DELETE FROM monitoring_internal.sample_batches WHERE batch_id = $1",
                   {batch_id});
      continue;
    }
    const Result<std::string> bytes = chunk::encode_batch(samples);
    if (!bytes) throw pg::Report(ERRCODE_INTERNAL_ERROR, bytes.error());
    spi_.execute(
        "UPDATE monitoring_internal.sample_batches SET samples = $2, sample_count = $3"
        " WHERE batch_id = $1",
        {batch_id, bytes_param(*bytes), pg::int4(static_cast<std::int32_t>(samples.size()))});
  }
}

}  // namespace

std::int64_t remove_old_samples(pg::Spi& spi, Instant before) {
  // What somebody else moves or deletes right now is the next run's.
  if (!lock_maintenance(spi, false)) return 0;
  std::int64_t removed = 0;
  std::size_t chunks = 0;
  do {
    Counts counts;
    chunks = remove_some_chunks(before, &counts);
    subtract(spi, counts, before);
    removed += total(counts);
  } while (chunks == static_cast<std::size_t>(kMostChunks));
  removed += remove_batches(spi, before);
  remove_empty_series(spi, before);
  spi.execute("DELETE FROM monitoring_internal.refused_samples WHERE refused_at < $1",
              {pg::timestamptz(before)});
  return removed;
}

std::int64_t delete_samples(pg::Spi& spi, const std::vector<promql::Matcher>& matchers,
                            Instant start, Instant end, CancelToken& cancel) {
  lock_maintenance(spi, true);
  const pg::FreshSnapshot snapshot;
  const std::vector<SelectedSeries> selected = select_series(spi, matchers, cancel);
  Deletion deletion(spi, ms_of(start), ms_of(end));
  if (selected.empty()) return 0;
  for (const SelectedSeries& series : selected) deletion.add(series.series_id);
  std::int64_t last_group = 0;
  for (const SelectedSeries& series : selected) {
    if (cancel.cancelled()) break;
    if (series.group_id != last_group) deletion.delete_from_chunks(series.group_id);
    last_group = series.group_id;
  }
  deletion.delete_from_batches();
  return deletion.finish();
}

}  // namespace monitoring::series
