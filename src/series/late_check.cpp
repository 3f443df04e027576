#include "series/late_check.hpp"

#include "monitoring/pg/prepared.hpp"

extern "C" {
#include <catalog/pg_type.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <cstring>

#include "series/store_rows.hpp"

namespace monitoring::series {

namespace {

bool is_same(double a, double b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

}  // namespace

void Ingestion::LateCheck::apply() {
  for (Incoming& series : ingestion_.series_) {
    if (series.points.empty()) continue;
    if (by_id_.empty()) earliest_ms_ = latest_ms_ = series.points.front().time_ms;
    by_id_[series.series_id] = &series;
    earliest_ms_ = std::min(earliest_ms_, series.points.front().time_ms);
    latest_ms_ = std::max(latest_ms_, series.points.back().time_ms);
  }
  if (by_id_.empty()) return;
  read_batches();
  read_chunks();
  for (const auto& [id, series] : by_id_) keep_points(*series);
}

void Ingestion::LateCheck::note(Incoming& series, std::int64_t time_ms, double value) {
  series.newest_ms = series.has_stored ? std::max(series.newest_ms, time_ms) : time_ms;
  series.has_stored = true;
  const bool comes_again =
      std::binary_search(series.points.begin(), series.points.end(), Point{time_ms, 0},
                         [](const Point& a, const Point& b) { return a.time_ms < b.time_ms; });
  // What was written first holds.
  if (comes_again) stored_.try_emplace({series.series_id, time_ms}, value);
}

/// Where samples come in order there is no batch that ends later: one look at an index.
void Ingestion::LateCheck::read_batches() {
  static pg::Prepared statement(
      "SELECT batch_id, samples FROM monitoring_internal.sample_batches"
      " WHERE end_at >= $1 AND first_series <= $3 AND last_series >= $2 AND NOT is_damaged"
      " ORDER BY batch_id",
      {TIMESTAMPTZOID, INT8OID, INT8OID});
  const pg::Rows rows =
      statement.query(spi_, {pg::timestamptz(instant_of_ms(earliest_ms_)),
                             pg::int8(by_id_.begin()->first), pg::int8(by_id_.rbegin()->first)});
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    // A damaged one is compaction's to report: nobody's new samples are lost over it.
    const auto samples = chunk::decode_batch(bytes_at(rows, row, 2));
    if (!samples) continue;
    for (const chunk::Sample& sample : *samples) {
      const auto found = by_id_.find(static_cast<std::int64_t>(sample.series_id));
      if (found != by_id_.end()) note(*found->second, sample.time_ms, sample.value);
    }
  }
}

/// Only for what is late, and still within the window.
void Ingestion::LateCheck::read_chunks() {
  std::set<std::int64_t> groups;
  std::int64_t from_ms = kLastStoredMs;
  std::int64_t to_ms = kFirstStoredMs;
  for (const auto& [id, series] : by_id_) {
    for (const Point& point : series->points) {
      if (!series->has_stored || point.time_ms > series->newest_ms) break;
      if (point.time_ms < series->newest_ms - ingestion_.limits_.out_of_order_window_ms) continue;
      groups.insert(series->group_id);
      from_ms = std::min(from_ms, point.time_ms);
      to_ms = std::max(to_ms, point.time_ms);
    }
  }
  if (groups.empty()) return;
  const pg::Rows rows = spi_.query(
      "SELECT samples FROM monitoring_internal.sample_chunks"
      " WHERE group_id = ANY ($1) AND end_at >= $2 AND start_at <= $3 ORDER BY chunk_id",
      {pg::int8_array({groups.begin(), groups.end()}), pg::timestamptz(instant_of_ms(from_ms)),
       pg::timestamptz(instant_of_ms(to_ms))});
  // Chunks are older than batches.
  Stored of_batches = std::move(stored_);
  stored_.clear();
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    const auto chunk = chunk::Chunk::open(bytes_at(rows, row, 1));
    for (std::size_t run = 0; chunk.ok() && run < chunk->runs(); ++run) {
      const auto found = by_id_.find(static_cast<std::int64_t>(chunk->series_id(run)));
      if (found == by_id_.end()) continue;
      const auto samples = chunk->decode(run);
      for (std::size_t i = 0; samples.ok() && i < samples->values.size(); ++i) {
        note(*found->second, samples->times_ms[i], samples->values[i]);
      }
    }
  }
  stored_.merge(of_batches);
}

void Ingestion::LateCheck::keep_points(Incoming& series) {
  if (!series.has_stored || series.points.front().time_ms > series.newest_ms) return;
  const std::int64_t oldest_ms = series.newest_ms - ingestion_.limits_.out_of_order_window_ms;
  std::vector<Point> kept;
  for (const Point& point : series.points) {
    const auto stored = stored_.find({series.series_id, point.time_ms});
    if (stored != stored_.end()) {
      // The same sample once more is no news.
      if (!is_same(stored->second, point.value)) ingestion_.refuse("duplicate", series.labels, 1);
    } else if (point.time_ms < oldest_ms) {
      ingestion_.refuse("too_old", series.labels, 1);
    } else {
      kept.push_back(point);
    }
  }
  series.points = std::move(kept);
}

}  // namespace monitoring::series
