#include "rollup/open_states.hpp"

#include "monitoring/pg/memory.hpp"

extern "C" {
#include <utils/timestamp.h>
#include <utils/uuid.h>
}
// clang-format keeps the server's headers first.
#include <cstring>

namespace monitoring::rollup {

namespace {

constexpr const char* kTake =
    "DELETE FROM monitoring_internal.rollup_state WHERE ctid = ANY (ARRAY("
    " SELECT s.ctid FROM monitoring_internal.rollup_state s"
    " WHERE NOT s.published AND s.period_start < $1 AND s.period = 'hourly' AND NOT EXISTS"
    "  (SELECT FROM monitoring_internal.rollup_periods d WHERE d.period = 'daily'"
    "   AND d.period_start = pg_catalog.date_trunc('day', s.period_start, 'UTC'))"
    " LIMIT 5000))"
    " RETURNING period_start, metric_name, dimensions_hash, dimensions, count_value,"
    "  nonfinite_count, sum_value, min_value, max_value, m2_value, measures, sketch";

metrics::Moments moments_of(const pg::Rows& rows, std::uint64_t row) {
  const std::int64_t nonfinite = *rows.int8(row, 6);
  const std::int64_t count = *rows.int8(row, 5) - nonfinite;
  auto moments =
      count == 0 ? metrics::Moments()
                 : metrics::Moments::of_state(count, *rows.float8(row, 7), *rows.float8(row, 10),
                                              *rows.float8(row, 8), *rows.float8(row, 9));
  moments.nonfinite_count = static_cast<std::uint64_t>(nonfinite);
  return moments;
}

metrics::Sketch sketch_of(const pg::Rows& rows, std::uint64_t row) {
  bool is_null = false;
  const Datum value = rows.raw(row, 12, &is_null);
  if (is_null) return {};
  const bytea* bytes = pg::call([&] { return DatumGetByteaPP(value); });
  auto sketch = metrics::Sketch::parse({VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)});
  if (!sketch) throw pg::Report(ERRCODE_DATA_CORRUPTED, sketch.error());
  return std::move(sketch).value();
}

Hash128 hash_of(Datum uuid) {
  std::uint64_t words[2];
  std::memcpy(words, DatumGetUUIDP(uuid), sizeof words);
  return {words[0], words[1]};
}

void add_state(const pg::Rows& rows, std::uint64_t row, SeriesTable& table) {
  const metrics::Sketch sketch = sketch_of(rows, row);
  const metrics::Moments moments = moments_of(rows, row);
  bool is_null = false;
  bool has_no_dimensions = false;
  const Datum hour = rows.raw(row, 1, &is_null);
  const Datum name = rows.raw(row, 2, &is_null);
  const Datum hash = rows.raw(row, 3, &is_null);
  const Datum dimensions = rows.raw(row, 4, &has_no_dimensions);
  const Datum measures = rows.raw(row, 11, &is_null);
  pg::call([&] {
    const SeriesTable::State state{DatumGetTimestampTz(hour),
                                   reinterpret_cast<struct varlena*>(DatumGetPointer(name)),
                                   hash_of(hash),
                                   has_no_dimensions ? nullptr : DatumGetJsonbP(dimensions),
                                   moments,
                                   &sketch,
                                   DatumGetJsonbP(measures)};
    table.add(state);
  });
}

}  // namespace

bool take_open_states(SeriesTable& table, Instant closing_before) {
  pg::Spi spi;  // of its own: it frees the rows
  const pg::Rows rows = spi.query(kTake, {pg::timestamptz(closing_before)});
  pg::ScratchContext scratch("open states");
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    add_state(rows, row, table);
    scratch.reset();
  }
  return !rows.empty();
}

}  // namespace monitoring::rollup
