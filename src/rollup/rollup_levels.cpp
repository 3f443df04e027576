// Days from hours and weeks from days: one statement for fresh periods, one for what came late.

#include "rollup/rollup_levels.hpp"

#include "monitoring/measurements/progress.hpp"
#include "rollup/series_flush.hpp"

namespace monitoring::rollup {

const Level kDaily{"daily", "hourly", "day", "24 hours", "weekly", "week"};
const Level kWeekly{"weekly", "daily", "week", "168 hours", nullptr, nullptr};

namespace {

/// Replaces %name by its value. Statements are easier to read with names than with concatenation.
std::string fill(std::string text, const Level& level) {
  const std::pair<const char*, const char*> names[] = {
      {"%level", level.name},
      {"%finer", level.finer},
      {"%unit", level.unit},
      {"%length", level.length},
      {"%coarser_unit", level.coarser_unit ? level.coarser_unit : ""},
      {"%coarser", level.coarser ? level.coarser : ""}};
  for (const auto& [name, value] : {names[4], names[5], names[0], names[1], names[2], names[3]}) {
    for (std::size_t at = text.find(name); at != std::string::npos; at = text.find(name, at)) {
      text.replace(at, std::string_view(name).size(), value);
    }
  }
  return text;
}

/// The columns of rollup_state, merged over a group, behind period and period_start.
constexpr const char* kMergedColumns =
    " metric_name, dimensions_hash, (pg_catalog.array_agg(dimensions))[1],"
    " pg_catalog.sum(count_value)::bigint, pg_catalog.sum(nonfinite_count)::bigint,"
    " monitoring_internal.sum(sum_value), pg_catalog.min(min_value), pg_catalog.max(max_value),"
    " monitoring_internal.m2(count_value - nonfinite_count, sum_value, m2_value),"
    " monitoring_internal.measures_sum(measures), monitoring_internal.sketch_merge_agg(sketch)";

constexpr const char* kStateColumns =
    " (period, period_start, metric_name, dimensions_hash, dimensions, count_value,"
    " nonfinite_count, sum_value, min_value, max_value, m2_value, measures, sketch";

/// Closed periods that have finer data, all of it rolled up, and are not rolled up themselves.
constexpr const char* kDue =
    "SELECT DISTINCT pg_catalog.date_trunc('%unit', f.period_start, 'UTC') AS start"
    " FROM monitoring_internal.rollup_periods f"
    " WHERE f.period = '%finer' AND NOT f.rows_removed"
    " AND pg_catalog.date_trunc('%unit', f.period_start, 'UTC') + interval '%length' <= $1"
    " AND NOT EXISTS (SELECT FROM monitoring_internal.rollup_periods r WHERE r.period = '%level'"
    "  AND r.period_start = pg_catalog.date_trunc('%unit', f.period_start, 'UTC'))"
    " AND NOT EXISTS (SELECT FROM monitoring_internal.rollup_state o WHERE NOT o.published"
    "  AND pg_catalog.date_trunc('%unit', o.period_start, 'UTC')"
    "    = pg_catalog.date_trunc('%unit', f.period_start, 'UTC'))";

/// A week waits for the days that still have to be made of its hours.
constexpr const char* kDaysAreThere =
    " AND NOT EXISTS (SELECT FROM monitoring_internal.rollup_periods h WHERE h.period = 'hourly'"
    "  AND NOT h.rows_removed"
    "  AND pg_catalog.date_trunc('week', h.period_start, 'UTC')"
    "    = pg_catalog.date_trunc('week', f.period_start, 'UTC')"
    "  AND NOT EXISTS (SELECT FROM monitoring_internal.rollup_periods d WHERE d.period = 'daily'"
    "   AND d.period_start = pg_catalog.date_trunc('day', h.period_start, 'UTC')))";

std::string due_periods(const Level& level) {
  return fill(std::string(kDue) + (level.coarser == nullptr ? kDaysAreThere : ""), level);
}

/// What is new for a period whose coarser period was rolled up already is pending there.
std::string pass_on(const Level& level, const char* source) {
  if (level.coarser == nullptr) return {};
  return fill(
      std::string(", passed_on AS (INSERT INTO monitoring_internal.rollup_pending") +
          kStateColumns +
          ") SELECT '%coarser', r.period_start, n.metric_name, n.dimensions_hash,"
          " n.dimensions, n.count_value, n.nonfinite_count, n.sum_value, n.min_value,"
          " n.max_value, n.m2_value, n.measures, n.sketch FROM " +
          source +
          " n JOIN monitoring_internal.rollup_periods r ON r.period = '%coarser' AND r.period_start"
          " = pg_catalog.date_trunc('%coarser_unit', n.period_start, 'UTC'))",
      level);
}

std::string fresh_statement(const Level& level) {
  return fill("WITH due AS (" + due_periods(level) +
                  "), closed AS (INSERT INTO monitoring_internal.rollup_periods"
                  " (period, period_start, rolled_up_at)"
                  " SELECT '%level', start, pg_catalog.now() FROM due),"
                  " fresh AS (INSERT INTO monitoring_internal.rollup_state" +
                  kStateColumns + ", published) SELECT '%level', due.start," + kMergedColumns +
                  ", true FROM due JOIN monitoring_internal.rollup_state f ON f.period = '%finer'"
                  " AND f.published AND f.period_start >= due.start"
                  " AND f.period_start < due.start + interval '%length'"
                  " GROUP BY due.start, metric_name, dimensions_hash RETURNING *)",
              level) +
         pass_on(level, "fresh") + " " + publish_statement("fresh WHERE true");
}

std::string late_statement(const Level& level) {
  return fill(
             std::string("WITH late AS (DELETE FROM monitoring_internal.rollup_pending"
                         " WHERE period = '%level' RETURNING *),"
                         " merged AS (INSERT INTO monitoring_internal.rollup_state AS s") +
                 kStateColumns +
                 ", published) SELECT '%level', pg_catalog.date_trunc('%unit', period_start, 'UTC')"
                 " AS period_start," +
                 kMergedColumns +
                 ", true FROM late GROUP BY 2, metric_name, dimensions_hash"
                 " ON CONFLICT (period_start, metric_name, dimensions_hash, period) DO UPDATE SET" +
                 kMergeState + " RETURNING s.*)",
             level) +
         pass_on(level, "late") + " " + publish_statement("merged WHERE true");
}

bool has_work(pg::Spi& spi, const Level& level, Instant now) {
  const std::string probe = fill(
      "SELECT EXISTS (SELECT FROM monitoring_internal.rollup_pending WHERE period = '%level')"
      " OR EXISTS (" +
          due_periods(level) + ")",
      level);
  return *spi.query(probe.c_str(), {pg::timestamptz(now)}).boolean(0, 1);
}

}  // namespace

std::int64_t roll_up_level(pg::Spi& spi, const Level& level, Instant now) {
  if (!has_work(spi, level, now)) return 0;
  measurements::Progress::lock(spi);
  // Late first: what a fresh period passes on is for the coarser level only.
  std::uint64_t written = spi.execute(late_statement(level).c_str());
  written += spi.execute(fresh_statement(level).c_str(), {pg::timestamptz(now)});
  return static_cast<std::int64_t>(written);
}

std::int64_t pending_in_level(pg::Spi& spi, const Level& level, Instant now) {
  const std::string count = fill(
      "SELECT pg_catalog.count(*) FROM (SELECT DISTINCT"
      " pg_catalog.date_trunc('%unit', period_start, 'UTC') FROM monitoring_internal.rollup_pending"
      " WHERE period = '%level' UNION " +
          due_periods(level) + ") AS periods",
      level);
  return *spi.read(count.c_str(), {pg::timestamptz(now)}).int8(0, 1);
}

void forget_level(pg::Spi& spi, const Level& level, Instant from, Instant to) {
  const char* const statements[] = {
      "DELETE FROM monitoring_internal.rollup_pending WHERE period = '%level' AND"
      " pg_catalog.date_trunc('%unit', period_start, 'UTC') IN (SELECT period_start FROM"
      " monitoring_internal.rollup_periods WHERE period = '%level'"
      " AND period_start + interval '%length' > $1 AND period_start < $2)",
      "DELETE FROM monitoring_internal.rollup_state WHERE period = '%level'"
      " AND period_start + interval '%length' > $1 AND period_start < $2",
      "DELETE FROM monitoring.aggregated_metrics WHERE period = '%level'"
      " AND period_start + interval '%length' > $1 AND period_start < $2",
      "DELETE FROM monitoring_internal.rollup_periods WHERE period = '%level'"
      " AND period_start + interval '%length' > $1 AND period_start < $2"};
  for (const char* statement : statements) {
    spi.execute(fill(statement, level).c_str(), {pg::timestamptz(from), pg::timestamptz(to)});
  }
}

}  // namespace monitoring::rollup
