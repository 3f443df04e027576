#include "rollup/recompute.hpp"

#include "monitoring/measurements/corrections.hpp"
#include "monitoring/measurements/new_rows.hpp"
#include "monitoring/pg/prepared.hpp"
#include "rollup/series_table.hpp"

namespace monitoring::rollup {

namespace {

/// The hours h.period_start of which everything is still there: the raw rows, and the roll-ups that
/// their day and week are made of. A day or week that was adopted is made of nothing that is here.
constexpr const char* kComplete =
    " NOT EXISTS (SELECT FROM monitoring_internal.rollup_periods p WHERE p.raw_removed"
    "  AND p.period = 'hourly' AND p.period_start = h.period_start)"
    " AND NOT EXISTS (SELECT FROM monitoring_internal.rollup_periods g WHERE g.rows_removed"
    "  AND g.period = 'hourly'"
    "  AND g.period_start >= pg_catalog.date_trunc('day', h.period_start, 'UTC')"
    "  AND g.period_start < pg_catalog.date_trunc('day', h.period_start, 'UTC')"
    "    + interval '24 hours')"
    " AND NOT EXISTS (SELECT FROM monitoring_internal.rollup_periods g WHERE g.raw_removed"
    "  AND (g.period = 'daily'"
    "    AND g.period_start = pg_catalog.date_trunc('day', h.period_start, 'UTC')"
    "   OR g.period = 'weekly'"
    "    AND g.period_start = pg_catalog.date_trunc('week', h.period_start, 'UTC')))"
    " AND NOT EXISTS (SELECT FROM monitoring_internal.rollup_periods g WHERE g.rows_removed"
    "  AND g.period = 'daily'"
    "  AND g.period_start >= pg_catalog.date_trunc('week', h.period_start, 'UTC')"
    "  AND g.period_start < pg_catalog.date_trunc('week', h.period_start, 'UTC')"
    "    + interval '168 hours')";

/// Of what notes_statement() selects.
enum NoteColumn : int { kHour = 1, kMetric, kUpdated, kSeenRemoved, kUnknownRemoved, kClosed };

/// A TRUNCATE names no hours: it means all that are open. $1 and $2: Progress::next_xid() and
/// not_seen_before_next().
std::string notes_statement() {
  return std::string(
             "WITH c AS (DELETE FROM monitoring_internal.rollup_corrections"
             "  RETURNING period_start, metric_name, removed, inserter),"
             " named AS (SELECT period_start, metric_name, removed, inserter FROM c"
             "   WHERE period_start <> '-infinity'"
             "  UNION ALL SELECT DISTINCT s.period_start, '', true, 0::bigint"
             "   FROM monitoring_internal.rollup_state s"
             "   WHERE NOT s.published AND EXISTS (SELECT FROM c WHERE period_start = "
             "'-infinity')),"
             " h AS (SELECT n.period_start, n.metric_name, pg_catalog.bool_or(NOT n.removed) AS "
             "updated,"
             "   pg_catalog.bool_or(n.removed AND n.inserter > 0 AND n.inserter < $1"
             "    AND n.inserter <> ALL ($2)) AS seen_removed,"
             "   pg_catalog.bool_or(n.removed AND n.inserter = 0) AS unknown_removed"
             "  FROM named n GROUP BY n.period_start, n.metric_name)"
             " SELECT h.period_start, h.metric_name, h.updated, h.seen_removed, h.unknown_removed,"
             "  EXISTS (SELECT FROM monitoring_internal.rollup_periods p"
             "   WHERE p.period = 'hourly' AND p.period_start = h.period_start)"
             " FROM h WHERE") +
         kComplete;
}

bool is_named(const measurements::RawRow& row, const std::string& metric) {
  const struct varlena* name = pg_detoast_datum_packed(row.metric_name);
  return std::string_view(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)) == metric;
}

std::int64_t unseen_rows(pg::Spi& spi, Instant hour, const std::string& metric) {
  std::int64_t count = 0;
  const std::int64_t start = pg::timestamptz_of(hour);
  measurements::for_each_new_row(spi, [&](const measurements::RawRow& row) {
    if (is_in_hour(row.timestamp, start) && is_named(row, metric)) ++count;
  });
  return count;
}

/// More rows of it were rolled up than there are now, but for those that are still to come.
bool lacks_rows(pg::Spi& spi, Instant hour, const std::string& metric) {
  return *spi.query(
                 "SELECT COALESCE((SELECT pg_catalog.sum(count_value)"
                 "  FROM monitoring_internal.rollup_state WHERE period = 'hourly' AND period_start "
                 "= $1"
                 "  AND metric_name = $2), 0)"
                 " > (SELECT pg_catalog.count(*) FROM monitoring.pipeline_metrics"
                 "  WHERE \"timestamp\" >= $1 AND \"timestamp\" < $1 + interval '1 hour'"
                 "  AND metric_name = $2) - $3",
                 {pg::timestamptz(hour), pg::text(metric),
                  pg::int8(unseen_rows(spi, hour, metric))})
              .boolean(0, 1);
}

}  // namespace

void Recompute::keep_purged(pg::Spi& spi, const std::vector<std::int64_t>& hours) {
  static pg::Prepared any("SELECT EXISTS (SELECT FROM monitoring_internal.rollup_purged)", {});
  if (!*any.query(spi).boolean(0, 1)) return;
  std::vector<Instant> starts;
  for (const std::int64_t hour : hours) starts.push_back(pg::instant_of(hour));
  const pg::Rows rows = spi.query(
      "SELECT u.period_start, u.metric_name FROM monitoring_internal.rollup_purged u"
      " WHERE u.period_start = ANY ($1) AND EXISTS (SELECT FROM monitoring_internal.rollup_state s"
      "  WHERE s.period = 'hourly' AND s.period_start = u.period_start"
      "  AND s.metric_name = u.metric_name)",
      {pg::timestamptz_array(starts)});
  for (std::uint64_t i = 0; i < rows.size(); ++i) {
    kept_[pg::timestamptz_of(*rows.timestamptz(i, 1))].insert(*rows.text(i, 2));
  }
}

const std::set<std::string>& Recompute::kept(std::int64_t hour) const {
  static const auto* none = new std::set<std::string>;
  const auto found = kept_.find(hour);
  return found == kept_.end() ? *none : found->second;
}

bool has_corrections(pg::Spi& spi) {
  static pg::Prepared statement(
      "SELECT EXISTS (SELECT FROM monitoring_internal.rollup_corrections)", {});
  return *statement.query(spi).boolean(0, 1);
}

Recompute take_corrections(pg::Spi& spi, const measurements::Progress& seen) {
  static const std::string statement = notes_statement();
  Recompute recompute;
  measurements::forget_noted_corrections();
  if (!has_corrections(spi)) return recompute;
  const pg::Rows rows = spi.query(
      statement.c_str(),
      {pg::int8(static_cast<std::int64_t>(seen.next_xid())), seen.not_seen_before_next()});
  for (std::uint64_t i = 0; i < rows.size(); ++i) {
    const std::int64_t hour = pg::timestamptz_of(*rows.timestamptz(i, kHour));
    const std::string metric = *rows.text(i, kMetric);
    const bool is_updated = *rows.boolean(i, kUpdated);
    const bool is_closed = *rows.boolean(i, kClosed);
    // After a restore counts tell; not where updates may have moved rows, too.
    const auto lacks = [&] {
      return *rows.boolean(i, kUnknownRemoved) && !is_updated &&
             lacks_rows(spi, pg::instant_of(hour), metric);
    };
    if (is_closed && (*rows.boolean(i, kSeenRemoved) || lacks())) note_purged(spi, hour, metric);
    if (is_updated || !is_closed) recompute.add(hour);
  }
  return recompute;
}

bool is_complete(pg::Spi& spi, std::int64_t hour) {
  static const std::string statement =
      std::string("SELECT FROM (VALUES ($1)) AS h(period_start) WHERE") + kComplete;
  return !spi.query(statement.c_str(), {pg::timestamptz(pg::instant_of(hour))}).empty();
}

void note_purged(pg::Spi& spi, std::int64_t hour, const std::string& metric) {
  spi.execute(
      "INSERT INTO monitoring_internal.rollup_purged (period_start, metric_name) VALUES ($1, $2)"
      " ON CONFLICT DO NOTHING",
      {pg::timestamptz(pg::instant_of(hour)), pg::text(metric)});
}

void forget_purged(pg::Spi& spi, Instant from, Instant to) {
  spi.execute(
      "DELETE FROM monitoring_internal.rollup_purged WHERE period_start >= $1 AND period_start < "
      "$2",
      {pg::timestamptz(from), pg::timestamptz(to)});
}

void forget_hours(pg::Spi& spi, const std::vector<Instant>& hours) {
  if (hours.empty()) return;
  for (const char* statement : {"DELETE FROM monitoring_internal.rollup_state"
                                " WHERE period = 'hourly' AND period_start = ANY ($1)",
                                "DELETE FROM monitoring.aggregated_metrics"
                                " WHERE period = 'hourly' AND period_start = ANY ($1)"}) {
    spi.execute(statement, {pg::timestamptz_array(hours)});
  }
}

void forget_all_but(pg::Spi& spi, Instant hour, const std::set<std::string>& metrics) {
  const std::vector<std::string> kept(metrics.begin(), metrics.end());
  for (const char* statement :
       {"DELETE FROM monitoring_internal.rollup_state"
        " WHERE period = 'hourly' AND period_start = $1 AND metric_name <> ALL ($2)",
        "DELETE FROM monitoring.aggregated_metrics"
        " WHERE period = 'hourly' AND period_start = $1 AND metric_name <> ALL ($2)"}) {
    spi.execute(statement, {pg::timestamptz(hour), pg::text_array(kept)});
  }
}

std::vector<std::pair<std::int64_t, std::int64_t>> runs_of(const std::vector<std::int64_t>& hours) {
  std::vector<std::pair<std::int64_t, std::int64_t>> runs;
  for (const std::int64_t hour : hours) {
    if (runs.empty() || runs.back().second != hour) runs.emplace_back(hour, hour);
    runs.back().second = hour + kHourUs;
  }
  return runs;
}

}  // namespace monitoring::rollup
