#include "series_insert.hpp"

#include "monitoring/pg/memory.hpp"
#include "multi_insert.hpp"

extern "C" {
#include <access/xact.h>
#include <catalog/pg_type.h>
#include <utils/builtins.h>
#include <utils/fmgrprotos.h>
#include <utils/timestamp.h>
#include <utils/uuid.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

#include "monitoring/metrics/summary.hpp"

namespace monitoring::store {

namespace {

constexpr std::size_t kBatch = 500;

constexpr TableColumn kState[] = {{"period", TEXTOID},          {"period_start", TIMESTAMPTZOID},
                                  {"metric_name", TEXTOID},     {"dimensions_hash", UUIDOID},
                                  {"dimensions", JSONBOID},     {"count_value", INT8OID},
                                  {"nonfinite_count", INT8OID}, {"sum_value", FLOAT8OID},
                                  {"min_value", FLOAT8OID},     {"max_value", FLOAT8OID},
                                  {"m2_value", FLOAT8OID},      {"measures", JSONBOID},
                                  {"sketch", BYTEAOID},         {"published", BOOLOID}};

constexpr TableColumn kPublished[] = {{"id", UUIDOID},
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

template <std::size_t size>
TableWriter* open(const char* name, const TableColumn (&columns)[size]) {
  return open_writer(name, columns, static_cast<int>(size));
}

/// A series as it is written; C++ objects that the guarded code below only reads.
struct Row {
  const Series* series;
  const std::string* metric;
  metrics::Moments moments;
  metrics::Summary summary;
  std::string sketch;
  std::string measures;
};

Row row_of(const SeriesTable& table, Series& series, bool publish) {
  Row row{&series, &table.metric_name(series), series.values.moments(), {}, {}, {}};
  const metrics::Sketch& sketch = series.values.sketch();
  if (publish) row.summary = metrics::summary_of(row.moments, sketch);
  if (row.moments.count > 0) row.sketch = sketch.serialize();
  if (series.measures != nullptr) row.measures = table.measures_json(series);
  return row;
}

/// Sets the columns of a slot one after the other.
class Columns {
 public:
  explicit Columns(TupleTableSlot* slot) : slot_(slot) {}
  Columns& datum(Datum value) {
    slot_->tts_values[next_] = value;
    slot_->tts_isnull[next_++] = false;
    return *this;
  }
  Columns& null() {
    ++next_;
    return *this;
  }
  Columns& real(std::optional<double> value) {
    return value ? datum(Float8GetDatum(*value)) : null();
  }
  Columns& json(const Jsonb* value) {
    return value == nullptr ? null() : datum(PointerGetDatum(value));
  }

 private:
  TupleTableSlot* slot_;
  int next_ = 0;
};

/// Values that both tables have of a row.
struct Shared {
  Datum metric;
  const Jsonb* measures;
  std::optional<double> sum, min, max;
};

/// Both tables, and constants of all rows. Trivially destructible: see multi_insert.hpp.
struct Writers {
  TableWriter* state;
  TableWriter* published;
  Datum hourly;
  const Jsonb* no_measures;
  const pg_uuid_t* next_id;
};

Datum varlena_of(const std::string& bytes) {
  return PointerGetDatum(cstring_to_text_with_len(bytes.data(), static_cast<int>(bytes.size())));
}

Shared shared_of(const Row& row, const Jsonb* no_measures) {
  Shared shared{varlena_of(*row.metric), no_measures, {}, {}, {}};
  if (!row.measures.empty()) {
    shared.measures =
        DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(row.measures.c_str())));
  }
  if (row.moments.count == 0) return shared;
  shared.sum = row.moments.total();
  shared.min = row.moments.min;
  shared.max = row.moments.max;
  return shared;
}

void write_state(const Writers& to, const Row& row, const Shared& shared, bool published) {
  const metrics::Moments& m = row.moments;
  Columns columns(next_row(to.state));
  columns.datum(to.hourly)
      .datum(TimestampTzGetDatum(row.series->hour))
      .datum(shared.metric)
      .datum(PointerGetDatum(&row.series->dimensions_hash))
      .json(row.series->dimensions)
      .datum(Int64GetDatum(static_cast<std::int64_t>(m.rows())))
      .datum(Int64GetDatum(static_cast<std::int64_t>(m.nonfinite_count)))
      .real(shared.sum)
      .real(shared.min)
      .real(shared.max);
  m.count > 0 ? columns.datum(Float8GetDatum(m.m2)) : columns.null();
  columns.json(shared.measures);
  m.count > 0 ? columns.datum(varlena_of(row.sketch)) : columns.null();
  columns.datum(BoolGetDatum(published));
}

void write_published(Writers& to, const Row& row, const Shared& shared) {
  const metrics::Moments& m = row.moments;
  Columns(next_row(to.published))
      .datum(UUIDPGetDatum(to.next_id++))
      .datum(shared.metric)
      .datum(to.hourly)
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
  writers.state = open("rollup_state", kState);
  writers.published = writers.state == nullptr ? nullptr : open("aggregated_metrics", kPublished);
  if (writers.published == nullptr) {
    if (writers.state != nullptr) close_writer(writers.state);
    return {};
  }
  writers.hourly = CStringGetTextDatum("hourly");
  writers.no_measures = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
  writers.next_id = make_ids(rows);
  return writers;
}

}  // namespace

bool insert_series(const SeriesTable& table, const std::vector<Series*>& series,
                   std::int64_t publish_before) {
  pg::ScratchContext scratch("new series");
  Writers writers = pg::call([&] { return open_writers(series.size()); });
  if (writers.state == nullptr) return false;
  std::vector<Row> rows;
  for (std::size_t first = 0; first < series.size(); first += kBatch) {
    const std::size_t end = std::min(first + kBatch, series.size());
    rows.clear();
    for (std::size_t i = first; i < end; ++i) {
      rows.push_back(row_of(table, *series[i], series[i]->hour < publish_before));
    }
    pg::ScratchContext batch("batch of new series");
    pg::call([&] {
      for (const Row& row : rows) {
        const Shared shared = shared_of(row, writers.no_measures);
        const bool published = row.series->hour < publish_before;
        write_state(writers, row, shared, published);
        if (published) write_published(writers, row, shared);
      }
      write_rest(writers.state);
      write_rest(writers.published);
    });
  }
  pg::call([&] {
    close_writer(writers.state);
    close_writer(writers.published);
  });
  return true;
}

}  // namespace monitoring::store
