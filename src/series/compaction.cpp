#include "monitoring/pg/prepared.hpp"
#include "monitoring/series/maintenance.hpp"

extern "C" {
#include <catalog/pg_type.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <limits>
#include <map>

#include "monitoring/issues/issues.hpp"
#include "series/store_rows.hpp"

namespace monitoring::series {

namespace {

/// Of 1,000 samples each; 16 bytes a sample in memory, and as much again while they are sorted.
constexpr std::int64_t kMostBatches = 2000;
/// Late samples make chunks of their own, so they wait for the next two hours unless they are many.
constexpr std::int64_t kManyBatches = 4000;
constexpr std::int64_t kGraceMs = 15 * 60 * 1000;
constexpr std::size_t kChunkSamples = 4096;

struct Moved {
  std::vector<std::int64_t> batch_ids;
  /// By series, each in the order in which the batches were written.
  std::map<std::uint64_t, chunk::SampleRun> runs;
};

/// The end of the last two hours that are over for good.
Instant due_until(Instant now) {
  return instant_of_ms(window_of(ms_of(now) - kGraceMs));
}

bool is_due(pg::Spi& spi, Instant until) {
  static pg::Prepared statement(
      "SELECT m.compacted_until < $1 OR $2 <= (SELECT count(*) FROM (SELECT FROM"
      " monitoring_internal.sample_batches WHERE end_at < $1 AND NOT is_damaged LIMIT $2) AS b)"
      " FROM monitoring_internal.sample_maintenance AS m",
      {TIMESTAMPTZOID, INT8OID});
  const pg::Rows rows = statement.query(spi, {pg::timestamptz(until), pg::int8(kManyBatches)});
  return !rows.empty() && *rows.boolean(0, 1);
}

/// It is left where it is, and out of every later pass.
void set_aside(pg::Spi& spi, std::int64_t batch_id, const Error& error) {
  spi.execute("UPDATE monitoring_internal.sample_batches SET is_damaged = true WHERE batch_id = $1",
              {pg::int8(batch_id)});
  issues::Issue issue;
  issue.worker_name = "samples";
  issue.issue_type = "damaged_samples";
  issue.severity = "critical";
  issue.message = "batch " + std::to_string(batch_id) + " is damaged: " + error.message;
  issues::log_issue_once(spi, issue);
}

Moved read_batches(pg::Spi& spi, Instant until) {
  static pg::Prepared statement(
      "SELECT batch_id, samples FROM (SELECT batch_id, samples FROM"
      " monitoring_internal.sample_batches WHERE end_at < $1 AND NOT is_damaged"
      " ORDER BY first_series, batch_id LIMIT $2) AS b ORDER BY batch_id",
      {TIMESTAMPTZOID, INT8OID});
  pg::Spi reading;
  const pg::Rows rows = statement.query(reading, {pg::timestamptz(until), pg::int8(kMostBatches)});
  Moved moved;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    const std::int64_t batch_id = *rows.int8(row, 1);
    const auto samples = chunk::decode_batch(bytes_at(rows, row, 2));
    if (!samples) {
      set_aside(spi, batch_id, samples.error());
      continue;
    }
    moved.batch_ids.push_back(batch_id);
    for (const chunk::Sample& sample : *samples) {
      chunk::SampleRun& run = moved.runs[sample.series_id];
      run.series_id = sample.series_id;
      run.times_ms.push_back(sample.time_ms);
      run.values.push_back(sample.value);
    }
  }
  return moved;
}

/// In order of time; of several of one time, the one that was written first.
void settle(chunk::SampleRun& run) {
  if (std::adjacent_find(run.times_ms.begin(), run.times_ms.end(), std::greater_equal<>()) ==
      run.times_ms.end()) {
    return;
  }
  std::vector<std::size_t> order(run.times_ms.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return run.times_ms[a] < run.times_ms[b]; });
  chunk::SampleRun settled;
  settled.series_id = run.series_id;
  for (const std::size_t i : order) {
    if (!settled.times_ms.empty() && settled.times_ms.back() == run.times_ms[i]) continue;
    settled.times_ms.push_back(run.times_ms[i]);
    settled.values.push_back(run.values[i]);
  }
  run = std::move(settled);
}

/// The runs' samples of one window.
std::vector<chunk::SampleRun> of_window(const std::vector<const chunk::SampleRun*>& runs,
                                        std::int64_t window_ms) {
  std::vector<chunk::SampleRun> found;
  for (const chunk::SampleRun* run : runs) {
    const auto& times = run->times_ms;
    const auto first = std::lower_bound(times.begin(), times.end(), window_ms) - times.begin();
    const auto last =
        std::lower_bound(times.begin(), times.end(), window_ms + kWindowMs) - times.begin();
    if (first == last) continue;
    found.push_back({run->series_id,
                     {times.begin() + first, times.begin() + last},
                     {run->values.begin() + first, run->values.begin() + last}});
  }
  return found;
}

void insert_chunk(pg::Spi& spi, std::int64_t group_id, const std::vector<chunk::SampleRun>& runs) {
  static pg::Prepared statement(
      "INSERT INTO monitoring_internal.sample_chunks"
      " (group_id, start_at, end_at, sample_count, samples) VALUES ($1, $2, $3, $4, $5)",
      {INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID, BYTEAOID});
  const Result<std::string> bytes = chunk::encode(runs);
  if (!bytes) throw pg::Report(ERRCODE_INTERNAL_ERROR, bytes.error());
  std::int64_t start_ms = std::numeric_limits<std::int64_t>::max();
  std::int64_t end_ms = std::numeric_limits<std::int64_t>::min();
  std::size_t count = 0;
  for (const chunk::SampleRun& run : runs) {
    start_ms = std::min(start_ms, run.times_ms.front());
    end_ms = std::max(end_ms, run.times_ms.back());
    count += run.times_ms.size();
  }
  statement.execute(spi, {pg::int8(group_id), pg::timestamptz(instant_of_ms(start_ms)),
                          pg::timestamptz(instant_of_ms(end_ms)),
                          pg::int4(static_cast<std::int32_t>(count)), bytes_param(*bytes)});
}

/// Runs that are longer than a chunk's are cut.
void write_chunks(pg::Spi& spi, std::int64_t group_id, std::vector<chunk::SampleRun> runs) {
  while (!runs.empty()) {
    std::vector<chunk::SampleRun> now;
    std::vector<chunk::SampleRun> later;
    for (chunk::SampleRun& run : runs) {
      if (now.size() == chunk::kMostRuns) {
        later.push_back(std::move(run));
        continue;
      }
      if (run.times_ms.size() > kChunkSamples) {
        const auto cut = static_cast<std::ptrdiff_t>(kChunkSamples);
        later.push_back({run.series_id,
                         {run.times_ms.begin() + cut, run.times_ms.end()},
                         {run.values.begin() + cut, run.values.end()}});
        run.times_ms.resize(kChunkSamples);
        run.values.resize(kChunkSamples);
      }
      now.push_back(std::move(run));
    }
    insert_chunk(spi, group_id, now);
    runs = std::move(later);
  }
}

void write_group(pg::Spi& spi, std::int64_t group_id,
                 const std::vector<const chunk::SampleRun*>& runs) {
  std::map<std::int64_t, bool> windows;
  for (const chunk::SampleRun* run : runs) {
    for (const std::int64_t time_ms : run->times_ms) windows[window_of(time_ms)] = true;
  }
  for (const auto& [window_ms, is_there] : windows) {
    write_chunks(spi, group_id, of_window(runs, window_ms));
  }
}

/// Samples of a series that is not there, which only a deletion by hand can bring about, are
/// dropped with it.
std::map<std::int64_t, std::vector<const chunk::SampleRun*>> by_group(const Moved& moved) {
  std::vector<std::int64_t> ids;
  for (const auto& [id, run] : moved.runs) ids.push_back(static_cast<std::int64_t>(id));
  pg::Spi reading;
  const pg::Rows rows = reading.query(
      "SELECT series_id, group_id FROM monitoring_internal.stored_series"
      " WHERE series_id = ANY ($1) ORDER BY series_id",
      {pg::int8_array(ids)});
  std::map<std::int64_t, std::vector<const chunk::SampleRun*>> groups;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    groups[*rows.int8(row, 2)].push_back(
        &moved.runs.at(static_cast<std::uint64_t>(*rows.int8(row, 1))));
  }
  return groups;
}

void update_series(pg::Spi& spi, const Moved& moved) {
  std::vector<std::int64_t> ids, counts;
  std::vector<Instant> first, last;
  for (const auto& [id, run] : moved.runs) {
    ids.push_back(static_cast<std::int64_t>(id));
    first.push_back(instant_of_ms(run.times_ms.front()));
    last.push_back(instant_of_ms(run.times_ms.back()));
    counts.push_back(static_cast<std::int64_t>(run.times_ms.size()));
  }
  spi.execute(
      "UPDATE monitoring_internal.stored_series AS s SET first_at = least(s.first_at, u.f),"
      " last_at = greatest(s.last_at, u.l), sample_count = s.sample_count + u.c"
      " FROM unnest($1, $2, $3, $4) AS u (i, f, l, c) WHERE s.series_id = u.i",
      {pg::int8_array(ids), pg::timestamptz_array(first), pg::timestamptz_array(last),
       pg::int8_array(counts)});
}

std::int64_t move(pg::Spi& spi, Moved& moved) {
  std::int64_t count = 0;
  for (auto& [id, run] : moved.runs) {
    settle(run);
    count += static_cast<std::int64_t>(run.times_ms.size());
  }
  for (const auto& [group_id, runs] : by_group(moved)) write_group(spi, group_id, runs);
  update_series(spi, moved);
  spi.execute("DELETE FROM monitoring_internal.sample_batches WHERE batch_id = ANY ($1)",
              {pg::int8_array(moved.batch_ids)});
  return count;
}

/// The limit of series is held by this count.
void count_series(pg::Spi& spi) {
  spi.execute(
      "UPDATE monitoring_internal.sample_maintenance SET counted_series = c.n, counted_through = "
      "c.m"
      " FROM (SELECT count(*) AS n, coalesce(max(series_id), 0) AS m"
      "  FROM monitoring_internal.stored_series) AS c");
}

}  // namespace

std::map<std::int64_t, Batched> batched_samples(pg::Spi& spi) {
  const pg::Rows rows = spi.read("SELECT samples FROM monitoring_internal.sample_batches");
  std::map<std::int64_t, Batched> found;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    const auto samples = chunk::decode_batch(bytes_at(rows, row, 1));
    if (!samples) continue;
    for (const chunk::Sample& sample : *samples) {
      const Instant at = instant_of_ms(sample.time_ms);
      Batched& batched = found[static_cast<std::int64_t>(sample.series_id)];
      batched.first_at = batched.count == 0 ? at : std::min(batched.first_at, at);
      batched.last_at = batched.count == 0 ? at : std::max(batched.last_at, at);
      ++batched.count;
    }
  }
  return found;
}

std::int64_t compact_samples(pg::Spi& spi, Instant now, bool at_once) {
  const Instant until = at_once ? Instant::max() : due_until(now);
  if (!at_once && !is_due(spi, until)) return 0;
  if (!lock_maintenance(spi, at_once)) return 0;
  Moved moved = read_batches(spi, until);
  if (!moved.batch_ids.empty()) return move(spi, moved);
  count_series(spi);
  if (!at_once) {
    spi.execute("UPDATE monitoring_internal.sample_maintenance SET compacted_until = $1",
                {pg::timestamptz(until)});
  }
  return 0;
}

}  // namespace monitoring::series
