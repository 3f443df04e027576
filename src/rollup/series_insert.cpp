#include "rollup/series_insert.hpp"

#include "monitoring/pg/memory.hpp"
#include "monitoring/pg/table_writer.hpp"
#include "rollup/series_rows.hpp"

extern "C" {
#include <access/xact.h>
#include <catalog/pg_type.h>
#include <utils/timestamp.h>
#include <utils/uuid.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <iterator>

namespace monitoring::rollup {

namespace {

constexpr std::size_t kBatch = 500;

constexpr pg::TableColumn kPublished[] = {{"id", UUIDOID},
                                          {"metric_name", TEXTOID},
                                          {"period", TEXTOID},
                                          {"period_start", TIMESTAMPTZOID},
                                          {"min_value", FLOAT8OID},
                                          {"max_value", FLOAT8OID},
                                          {"avg_value", FLOAT8OID},
                                          {"sum_value", FLOAT8OID},
                                          {"count_value", INT8OID},
                                          {"dimensions", JSONBOID},
                                          {"created_at", TIMESTAMPTZOID},
                                          {"stddev_value", FLOAT8OID},
                                          {"p50_value", FLOAT8OID},
                                          {"p95_value", FLOAT8OID},
                                          {"p99_value", FLOAT8OID},
                                          {"nonfinite_count", INT8OID},
                                          {"measures", JSONBOID}};

/// Both tables, and constants of all rows. Trivially destructible: see multi_insert.hpp.
struct Writers {
  pg::TableWriter* state;
  pg::TableWriter* published;
  RowConstants constants;
  const pg_uuid_t* next_id;
};

void write_published(Writers& to, const SeriesRow& row, const SharedValues& shared) {
  const metrics::Moments& m = row.moments;
  SlotColumns(pg::next_row(to.published))
      .datum(UUIDPGetDatum(to.next_id++))
      .datum(shared.metric)
      .datum(to.constants.hourly)
      .datum(TimestampTzGetDatum(row.series->hour))
      .real(shared.min)
      .real(shared.max)
      .real(row.summary.average)
      .real(shared.sum)
      .datum(Int64GetDatum(static_cast<std::int64_t>(m.rows())))
      .json(row.series->dimensions)
      .datum(TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()))
      .real(row.summary.stddev)
      .real(row.summary.p50)
      .real(row.summary.p95)
      .real(row.summary.p99)
      .datum(Int64GetDatum(static_cast<std::int64_t>(m.nonfinite_count)))
      .json(shared.measures);
}

/// In the current memory context, which lasts as long as the writers do. nullptr in state: SQL.
Writers open_writers(std::size_t rows) {
  Writers writers{};
  writers.state = open_state_writer();
  writers.published = writers.state == nullptr
                          ? nullptr
                          : pg::open_writer("monitoring", "aggregated_metrics", kPublished,
                                            static_cast<int>(std::size(kPublished)));
  if (writers.published == nullptr) {
    if (writers.state != nullptr) pg::close_writer(writers.state);
    return {};
  }
  writers.constants = row_constants();
  writers.next_id = pg::make_ids(rows);
  return writers;
}

}  // namespace

bool insert_series(const SeriesTable& table, const std::vector<Series*>& series,
                   std::int64_t publish_before) {
  pg::ScratchContext scratch("new series");
  Writers writers = pg::call([&] { return open_writers(series.size()); });
  if (writers.state == nullptr) return false;
  std::vector<SeriesRow> rows;
  for (std::size_t first = 0; first < series.size(); first += kBatch) {
    const std::size_t end = std::min(first + kBatch, series.size());
    rows.clear();
    for (std::size_t i = first; i < end; ++i) {
      rows.push_back(series_row_of(table, *series[i], series[i]->hour < publish_before));
    }
    pg::ScratchContext batch("batch of new series");
    pg::call([&] {
      for (const SeriesRow& row : rows) {
        const SharedValues shared = shared_values(row, writers.constants);
        const bool published = row.series->hour < publish_before;
        fill_state(pg::next_row(writers.state), row, shared, writers.constants,
                   row.series->dimensions, published);
        if (published) write_published(writers, row, shared);
      }
      pg::write_rest(writers.state);
      pg::write_rest(writers.published);
    });
  }
  pg::call([&] {
    pg::close_writer(writers.state);
    pg::close_writer(writers.published);
  });
  return true;
}

}  // namespace monitoring::rollup
