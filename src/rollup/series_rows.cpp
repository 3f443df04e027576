#include "rollup/series_rows.hpp"

extern "C" {
#include <catalog/pg_type.h>
#include <utils/builtins.h>
#include <utils/fmgrprotos.h>
#include <utils/timestamp.h>
#include <utils/uuid.h>
}
// clang-format keeps the server's headers first.
#include <iterator>

namespace monitoring::rollup {

namespace {

constexpr pg::TableColumn kState[] = {
    {"period", TEXTOID},          {"period_start", TIMESTAMPTZOID},
    {"metric_name", TEXTOID},     {"dimensions_hash", UUIDOID},
    {"dimensions", JSONBOID},     {"count_value", INT8OID},
    {"nonfinite_count", INT8OID}, {"sum_value", FLOAT8OID},
    {"min_value", FLOAT8OID},     {"max_value", FLOAT8OID},
    {"m2_value", FLOAT8OID},      {"measures", JSONBOID},
    {"sketch", BYTEAOID},         {"published", BOOLOID}};

Datum varlena_of(const std::string& bytes) {
  return PointerGetDatum(cstring_to_text_with_len(bytes.data(), static_cast<int>(bytes.size())));
}

const Jsonb* read_json(const char* text) {
  return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
}

}  // namespace

SeriesRow series_row_of(const SeriesTable& table, Series& series, bool publish) {
  SeriesRow row{&series, &table.metric_name(series), series.values.moments(), {}, {}, {}};
  const metrics::Sketch& sketch = series.values.sketch();
  if (publish) row.summary = metrics::summary_of(row.moments, sketch);
  if (row.moments.count > 0) row.sketch = sketch.serialize();
  if (series.measures != nullptr) row.measures = table.measures_json(series);
  return row;
}

RowConstants row_constants() {
  return {CStringGetTextDatum("hourly"), read_json("{}")};
}

SharedValues shared_values(const SeriesRow& row, const RowConstants& constants) {
  SharedValues shared{varlena_of(*row.metric), constants.no_measures, {}, {}, {}};
  if (!row.measures.empty()) shared.measures = read_json(row.measures.c_str());
  if (row.moments.count == 0) return shared;
  shared.sum = row.moments.total();
  shared.min = row.moments.min;
  shared.max = row.moments.max;
  return shared;
}

pg::TableWriter* open_state_writer() {
  return pg::open_writer("monitoring_internal", "rollup_state", kState,
                         static_cast<int>(std::size(kState)));
}

void fill_state(TupleTableSlot* slot, const SeriesRow& row, const SharedValues& shared,
                const RowConstants& constants, const Jsonb* dimensions, bool published) {
  const metrics::Moments& m = row.moments;
  SlotColumns columns(slot);
  columns.datum(constants.hourly)
      .datum(TimestampTzGetDatum(row.series->hour))
      .datum(shared.metric)
      .datum(PointerGetDatum(&row.series->dimensions_hash))
      .json(dimensions)
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

}  // namespace monitoring::rollup
