#include "rollup/series_flush.hpp"

#include "monitoring/pg/memory.hpp"
#include "monitoring/pg/prepared.hpp"

extern "C" {
#include <catalog/pg_type.h>
#include <utils/array.h>
#include <utils/builtins.h>
#include <utils/lsyscache.h>
#include <utils/timestamp.h>
#include <utils/uuid.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <cstring>
#include <map>
#include <vector>

#include "rollup/series_insert.hpp"
#include "rollup/series_update.hpp"

namespace monitoring::rollup {

const char* const kMergeState =
    // Chan, Golub, LeVeque (1979): the m2 of two samples together.
    " m2_value = CASE"
    "   WHEN excluded.count_value = excluded.nonfinite_count THEN s.m2_value"
    "   WHEN s.count_value = s.nonfinite_count THEN excluded.m2_value"
    "   ELSE monitoring_internal.m2_merge(s.count_value - s.nonfinite_count, s.sum_value, "
    "s.m2_value,"
    "     excluded.count_value - excluded.nonfinite_count, excluded.sum_value, excluded.m2_value)"
    " END,"
    " count_value = s.count_value + excluded.count_value,"
    " nonfinite_count = s.nonfinite_count + excluded.nonfinite_count,"
    " sum_value = CASE WHEN excluded.sum_value IS NULL THEN s.sum_value"
    "   WHEN s.sum_value IS NULL THEN excluded.sum_value"
    "   ELSE monitoring_internal.sum_add(s.sum_value, excluded.sum_value) END,"
    " min_value = LEAST(s.min_value, excluded.min_value),"
    " max_value = GREATEST(s.max_value, excluded.max_value),"
    " measures = monitoring_internal.measures_add(s.measures, excluded.measures),"
    " sketch = monitoring_internal.sketch_merge(s.sketch, excluded.sketch) ";

std::string publish_statement(const char* source) {
  return std::string(
             "INSERT INTO monitoring.aggregated_metrics AS a (metric_name, period, period_start,"
             " min_value, max_value, avg_value, sum_value, count_value, dimensions, stddev_value,"
             " p50_value, p95_value, p99_value, nonfinite_count, measures)"
             " SELECT metric_name, period, period_start, min_value, max_value, summary[1],"
             " sum_value, count_value, dimensions, summary[2], summary[3], summary[4], summary[5],"
             " nonfinite_count, measures"
             " FROM (SELECT *, monitoring_internal.summary(count_value - nonfinite_count, "
             "sum_value,"
             "  m2_value, min_value, max_value, sketch) AS summary FROM ") +
         // OFFSET 0: once a row, not once a column of it.
         source + " OFFSET 0) AS state WHERE true" +
         " ON CONFLICT (metric_name, period, period_start, "
         "monitoring_internal.dimensions_hash(dimensions))"
         " DO UPDATE SET min_value = excluded.min_value, max_value = excluded.max_value,"
         " avg_value = excluded.avg_value, sum_value = excluded.sum_value,"
         " count_value = excluded.count_value, stddev_value = excluded.stddev_value,"
         " p50_value = excluded.p50_value, p95_value = excluded.p95_value,"
         " p99_value = excluded.p99_value, nonfinite_count = excluded.nonfinite_count,"
         " measures = excluded.measures ";
}

namespace {

constexpr std::size_t kBatch = 2000;

/// A column of a batch: an array under construction. All of it lives in the current context.
class Column {
 public:
  Column(Oid element, std::size_t rows) : element_(element), rows_(rows) {
    pg::call([&] {
      values_ = static_cast<Datum*>(palloc(sizeof(Datum) * rows));
      nulls_ = static_cast<bool*>(palloc0(sizeof(bool) * rows));
    });
  }
  void set(std::size_t row, Datum value) { values_[row] = value; }
  void set_null(std::size_t row) {
    values_[row] = 0;
    nulls_[row] = true;
  }
  void set(std::size_t row, double value, bool is_null) {
    if (is_null) return set_null(row);
    values_[row] = Float8GetDatum(value);
  }

  pg::Param param() const {
    Oid array = InvalidOid;
    const Datum datum = pg::call([&] {
      std::int16_t length = 0;
      bool by_value = false;
      char align = 0;
      get_typlenbyvalalign(element_, &length, &by_value, &align);
      array = get_array_type(element_);
      int dimensions = static_cast<int>(rows_);
      int lower = 1;
      return PointerGetDatum(construct_md_array(values_, nulls_, 1, &dimensions, &lower, element_,
                                                length, by_value, align));
    });
    return pg::datum(array, datum);
  }

 private:
  Oid element_;
  std::size_t rows_;
  Datum* values_ = nullptr;
  bool* nulls_ = nullptr;
};

Datum bytea_of(const std::string& bytes) {
  auto* value = static_cast<bytea*>(palloc(VARHDRSZ + bytes.size()));
  SET_VARSIZE(value, VARHDRSZ + bytes.size());
  std::memcpy(VARDATA(value), bytes.data(), bytes.size());
  return PointerGetDatum(value);
}

std::string flush_statement() {
  return "WITH delta AS (SELECT d.period_start, d.metric_name, d.dimensions_hash, d.dimensions,"
         " d.count_value, d.nonfinite_count, d.sum_value, d.min_value, d.max_value, d.m2_value,"
         " d.measures::jsonb AS measures, d.sketch"
         " FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) AS d (period_start, "
         "metric_name, dimensions_hash, dimensions, count_value,"
         " nonfinite_count, sum_value, min_value, max_value, m2_value, measures, sketch)),"
         " merged AS (INSERT INTO monitoring_internal.rollup_state AS s (period, period_start, "
         "metric_name,"
         " dimensions_hash, dimensions, count_value, nonfinite_count, sum_value, min_value,"
         " max_value, m2_value, measures, sketch, published)"
         " SELECT 'hourly', d.*, d.period_start < $13 FROM delta d"
         " ON CONFLICT (period_start, metric_name, dimensions_hash, period) DO UPDATE SET"
         " published = excluded.published," +
         std::string(kMergeState) +
         " RETURNING s.*),"
         " pending AS (INSERT INTO monitoring_internal.rollup_pending (period, period_start, "
         "metric_name,"
         " dimensions_hash, dimensions, count_value, nonfinite_count, sum_value, min_value,"
         " max_value, m2_value, measures, sketch)"
         " SELECT 'daily', r.period_start, d.metric_name, d.dimensions_hash, d.dimensions,"
         " d.count_value, d.nonfinite_count, d.sum_value, d.min_value, d.max_value, d.m2_value,"
         " d.measures, d.sketch FROM delta d JOIN monitoring_internal.rollup_periods r ON r.period "
         "= 'daily'"
         " AND r.period_start = pg_catalog.date_trunc('day', d.period_start, 'UTC')),"
         " closed AS (INSERT INTO monitoring_internal.rollup_periods (period, period_start, "
         "rolled_up_at)"
         " SELECT DISTINCT 'hourly', period_start, pg_catalog.now() FROM merged WHERE published"
         " ON CONFLICT (period, period_start) DO NOTHING) " +
         publish_statement("merged WHERE published");
}

/// Merges a batch into what its hours have already.
std::int64_t merge_batch(pg::Spi& spi, const SeriesTable& table, Series* const* batch,
                         std::size_t count, std::int64_t publish_before) {
  Column hour(TIMESTAMPTZOID, count), name(TEXTOID, count), hash(UUIDOID, count),
      dimensions(JSONBOID, count), rows(INT8OID, count), nonfinite(INT8OID, count),
      sum(FLOAT8OID, count), min(FLOAT8OID, count), max(FLOAT8OID, count), m2(FLOAT8OID, count),
      measures(TEXTOID, count), sketch(BYTEAOID, count);
  for (std::size_t i = 0; i < count; ++i) {
    Series& series = *batch[i];
    const metrics::Moments& m = series.values.moments();
    const std::string& metric = table.metric_name(series);
    const std::string measures_text = table.measures_json(series);
    const std::string sketch_bytes =
        m.count > 0 ? series.values.sketch().serialize() : std::string();
    pg::call([&] {
      hour.set(i, TimestampTzGetDatum(series.hour));
      name.set(i, PointerGetDatum(
                      cstring_to_text_with_len(metric.data(), static_cast<int>(metric.size()))));
      hash.set(i, PointerGetDatum(&series.dimensions_hash));
      rows.set(i, Int64GetDatum(static_cast<std::int64_t>(m.rows())));
      nonfinite.set(i, Int64GetDatum(static_cast<std::int64_t>(m.nonfinite_count)));
      measures.set(i, PointerGetDatum(cstring_to_text_with_len(
                          measures_text.data(), static_cast<int>(measures_text.size()))));
      if (series.dimensions == nullptr) {
        dimensions.set_null(i);
      } else {
        dimensions.set(i, PointerGetDatum(series.dimensions));
      }
      if (m.count > 0) {
        sketch.set(i, bytea_of(sketch_bytes));
      } else {
        sketch.set_null(i);
      }
    });
    sum.set(i, m.total(), m.count == 0);
    min.set(i, m.min, m.count == 0);
    max.set(i, m.max, m.count == 0);
    m2.set(i, m.m2, m.count == 0);
  }
  static const std::string statement = flush_statement();
  return static_cast<std::int64_t>(spi.execute(
      statement.c_str(),
      {hour.param(), name.param(), hash.param(), dimensions.param(), rows.param(),
       nonfinite.param(), sum.param(), min.param(), max.param(), m2.param(), measures.param(),
       sketch.param(), pg::datum(TIMESTAMPTZOID, TimestampTzGetDatum(publish_before))}));
}

std::int64_t merge_series(pg::Spi& spi, const SeriesTable& table,
                          const std::vector<Series*>& series, std::int64_t publish_before) {
  std::int64_t written = 0;
  for (std::size_t first = 0; first < series.size(); first += kBatch) {
    pg::ScratchContext scratch("roll-up batch");
    const std::size_t count = std::min(kBatch, series.size() - first);
    written += merge_batch(spi, table, &series[first], count, publish_before);
  }
  return written;
}

/// What there is of an hour already.
enum class Hour {
  empty,   // nothing that lies in it or is made of it
  open,    // states that only passes write
  closed,  // anything else
};

Hour look_at(pg::Spi& spi, std::int64_t hour) {
  static pg::Prepared statement(
      "SELECT EXISTS (SELECT FROM monitoring_internal.rollup_periods WHERE period = 'daily'"
      "  AND period_start = pg_catalog.date_trunc('day', $1, 'UTC'))"
      " OR EXISTS (SELECT FROM monitoring_internal.rollup_periods WHERE period = 'hourly'"
      "  AND period_start = $1)"
      " OR EXISTS (SELECT FROM monitoring.aggregated_metrics"
      "  WHERE period = 'hourly' AND period_start = $1),"
      " EXISTS (SELECT FROM monitoring_internal.rollup_state"
      "  WHERE period_start = $1 AND period = 'hourly')",
      {TIMESTAMPTZOID});
  const pg::Rows rows = statement.query(spi, {pg::timestamptz(pg::instant_of(hour))});
  if (*rows.boolean(0, 1)) return Hour::closed;
  return *rows.boolean(0, 2) ? Hour::open : Hour::empty;
}

void note_closed(pg::Spi& spi, std::int64_t hour) {
  spi.execute(
      "INSERT INTO monitoring_internal.rollup_periods (period, period_start, rolled_up_at)"
      " VALUES ('hourly', $1, pg_catalog.now()) ON CONFLICT (period, period_start) DO NOTHING",
      {pg::timestamptz(pg::instant_of(hour))});
}

/// In the order of the indexes, so that neighbours go to one page.
std::vector<Series*> in_order(SeriesTable& table) {
  std::vector<Series*> series;
  series.reserve(table.series().size());
  for (Series& one : table.series()) series.push_back(&one);
  std::sort(series.begin(), series.end(), [&](const Series* a, const Series* b) {
    if (a->hour != b->hour) return a->hour < b->hour;
    if (a->metric != b->metric) return table.metric_name(*a) < table.metric_name(*b);
    return std::memcmp(&a->dimensions_hash, &b->dimensions_hash, sizeof(Hash128)) < 0;
  });
  return series;
}

}  // namespace

std::int64_t flush_series(pg::Spi& spi, SeriesTable& table, std::int64_t publish_before) {
  std::vector<Series*> added;
  std::vector<Series*> updated;
  std::vector<Series*> merged;
  std::map<std::int64_t, Hour> hours;
  for (Series* series : in_order(table)) {
    const auto [known, first] = hours.try_emplace(series->hour, Hour::closed);
    if (first) known->second = look_at(spi, series->hour);
    const bool stays_open = known->second == Hour::open && series->hour >= publish_before;
    (known->second == Hour::empty ? added : stays_open ? updated : merged).push_back(series);
  }
  std::int64_t written = 0;
  if (!updated.empty() && !update_series(table, updated)) {
    written += merge_series(spi, table, updated, publish_before);
  }
  written += merge_series(spi, table, merged, publish_before);
  if (added.empty()) return written;
  if (!insert_series(table, added, publish_before)) {
    return written + merge_series(spi, table, added, publish_before);
  }
  for (const auto& [hour, what] : hours) {
    if (what == Hour::empty && hour < publish_before) note_closed(spi, hour);
  }
  for (const Series* series : added) written += series->hour < publish_before ? 1 : 0;
  return written;
}

}  // namespace monitoring::rollup
