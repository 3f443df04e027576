#include "monitoring/retention/retention.hpp"

#include "monitoring/pg/periods.hpp"
#include "monitoring/pg/prepared.hpp"
#include "monitoring/pg/snapshot.hpp"

extern "C" {
#include <access/xact.h>
#include <catalog/namespace.h>
#include <catalog/pg_type.h>
#include <utils/lsyscache.h>
#include <utils/snapmgr.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <map>
#include <optional>
#include <string>

#include "monitoring/issues/unusable.hpp"
#include "monitoring/measurements/new_rows.hpp"
#include "monitoring/measurements/partitions.hpp"
#include "monitoring/rollup/rollup.hpp"
#include "monitoring/series/maintenance.hpp"

namespace monitoring::retention {

namespace {

/// What is older goes; a kind that is not there is kept for ever.
using Cutoffs = std::map<std::string, Instant>;

Cutoffs cutoffs(pg::Spi& spi, Instant now) {
  static pg::Prepared statement(
      "SELECT kind, $1 - greatest(least(keep, interval '100 years'), interval '0')"
      " FROM monitoring.effective_retention WHERE keep IS NOT NULL",
      {TIMESTAMPTZOID});
  const pg::Rows rows = statement.query(spi, {pg::timestamptz(now)});
  Cutoffs found;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    found.emplace(*rows.text(row, 1), *rows.timestamptz(row, 2));
  }
  return found;
}

/// What removes the old rows of a table; $1 is the cutoff.
struct RowRule {
  const char* kind;
  const char* schema;
  const char* table;
  const char* removal;
};

constexpr RowRule kRowRules[] = {
    {"events", "public", "monitoring_events",
     "DELETE FROM public.monitoring_events WHERE created_at < $1"},
    {"issues", "monitoring", "worker_issues",
     "DELETE FROM monitoring.worker_issues"
     " WHERE resolved AND COALESCE(resolved_at, created_at) < $1"},
    {"notifications", "monitoring", "notifications",
     "DELETE FROM monitoring.notifications"
     " WHERE status IN ('sent', 'dead', 'superseded') AND created_at < $1"},
    {"notifications", "monitoring", "notification_decisions",
     "DELETE FROM monitoring.notification_decisions WHERE decided_at < $1"},
    {"alert_history", "monitoring", "alert_history",
     "DELETE FROM monitoring.alert_history WHERE at < $1"},
    {"alert_history", "monitoring", "alert_notes",
     "DELETE FROM monitoring.alert_notes WHERE created_at < $1"},
    {"probe_results", "monitoring", "probe_results",
     "DELETE FROM monitoring.probe_results WHERE probed_at < $1"},
    {"costs", "monitoring_internal", "cost_hours",
     "DELETE FROM monitoring_internal.cost_hours WHERE hour < $1"},
    {"silences", "monitoring", "silences", "DELETE FROM monitoring.silences WHERE ends_at < $1"},
    {"config_history", "monitoring", "config_history",
     "DELETE FROM monitoring.config_history WHERE changed_at < $1"},
};

bool exists(const RowRule& rule) {
  return pg::call([&] {
    const Oid schema = get_namespace_oid(rule.schema, true);
    return OidIsValid(schema) && OidIsValid(get_relname_relid(rule.table, schema));
  });
}

std::int64_t remove_rows(pg::Spi& spi, const RowRule& rule, const Cutoffs& before) {
  static std::map<const RowRule*, pg::Prepared> removals;
  const auto found = before.find(rule.kind);
  if (found == before.end() || !exists(rule)) return 0;
  const std::initializer_list<Oid> types{TIMESTAMPTZOID};
  pg::Prepared& removal = removals.try_emplace(&rule, rule.removal, types).first->second;
  return static_cast<std::int64_t>(removal.execute(spi, {pg::timestamptz(found->second)}));
}

/// Rolled-up rows of a level go once the coarser period they lie in has been made of them.
struct LevelRule {
  const char* kind;
  const char* coarser;
  const char* unit;
};

constexpr LevelRule kLevelRules[] = {
    {"hourly", "daily", "day"}, {"daily", "weekly", "week"}, {"weekly", nullptr, nullptr}};

pg::Param text_or_null(const char* text) {
  return text != nullptr ? pg::text(text) : pg::null_of(TEXTOID);
}

std::int64_t remove_level(pg::Spi& spi, const LevelRule& rule, const Cutoffs& before) {
  static pg::Prepared gates(
      "UPDATE monitoring_internal.rollup_periods p SET rows_removed = true"
      " WHERE period = $2 AND NOT rows_removed AND period_start < $1"
      " AND ($3 IS NULL OR EXISTS (SELECT FROM monitoring_internal.rollup_periods r WHERE r.period "
      "= $3"
      "  AND r.period_start = pg_catalog.date_trunc($4, p.period_start, 'UTC')))",
      {TIMESTAMPTZOID, TEXTOID, TEXTOID, TEXTOID});
  // Late rows may have brought some back since: whatever lies in a removed period goes.
  static pg::Prepared states(
      "DELETE FROM monitoring_internal.rollup_state x WHERE x.period = $2 AND x.period_start < $1"
      " AND EXISTS (SELECT FROM monitoring_internal.rollup_periods p WHERE p.period = x.period"
      "  AND p.period_start = x.period_start AND p.rows_removed) AND published",
      {TIMESTAMPTZOID, TEXTOID});
  static pg::Prepared rows(
      "DELETE FROM monitoring.aggregated_metrics x WHERE x.period = $2 AND x.period_start < $1"
      " AND EXISTS (SELECT FROM monitoring_internal.rollup_periods p WHERE p.period = x.period"
      "  AND p.period_start = x.period_start AND p.rows_removed)",
      {TIMESTAMPTZOID, TEXTOID});
  const auto found = before.find(rule.kind);
  if (found == before.end()) return 0;
  const pg::Param at = pg::timestamptz(found->second);
  const pg::Param kind = pg::text(rule.kind);
  gates.execute(spi, {at, kind, text_or_null(rule.coarser), text_or_null(rule.unit)});
  states.execute(spi, {at, kind});
  return static_cast<std::int64_t>(rows.execute(spi, {at, kind}));
}

std::int64_t remove_samples(pg::Spi& spi, const Cutoffs& before) {
  const auto found = before.find("samples");
  return found == before.end() ? 0 : series::remove_old_samples(spi, found->second);
}

std::int64_t measurements_of_day(pg::Spi& spi, Instant start) {
  return *spi.query(
                 "SELECT COALESCE(pg_catalog.sum(count_value), 0)::bigint"
                 " FROM monitoring_internal.rollup_state WHERE period = 'hourly'"
                 " AND period_start >= $1 AND period_start < $1 + interval '24 hours'",
                 {pg::timestamptz(start)})
              .int8(0, 1);
}

/// Hours before the cutoff are incomplete from now on, but for those of a day whose partition stays
/// because the day is not over yet at the cutoff, or because somebody is reading it.
void mark_raw_removed(pg::Spi& spi, Instant before) {
  static pg::Prepared statement(
      "UPDATE monitoring_internal.rollup_periods SET raw_removed = true"
      " WHERE period = 'hourly' AND NOT raw_removed AND period_start < $1"
      " AND pg_catalog.date_trunc('day', period_start, 'UTC') <> ALL ($2)",
      {TIMESTAMPTZOID, TIMESTAMPTZARRAYOID});
  std::vector<Instant> kept;
  for (const measurements::DayPartition& partition : measurements::day_partitions())
    kept.push_back(partition.start);
  statement.execute(spi, {pg::timestamptz(before), pg::timestamptz_array(kept)});
  // An hour without raw rows is never computed again: it need not be said of its metrics.
  spi.execute(
      "DELETE FROM monitoring_internal.rollup_purged u USING monitoring_internal.rollup_periods p"
      " WHERE p.period = 'hourly' AND p.period_start = u.period_start AND p.raw_removed");
}

bool has_default_rows_before(pg::Spi& spi, Instant before) {
  static pg::Prepared statement(
      "SELECT EXISTS (SELECT FROM monitoring_internal.pipeline_metrics_default"
      " WHERE \"timestamp\" > '-infinity' AND \"timestamp\" < $1)",
      {TIMESTAMPTZOID});
  return *statement.query(spi, {pg::timestamptz(before)}).boolean(0, 1);
}

/// What this snapshot shows in the default partition is what the pass, whose snapshot is later, has
/// taken at the least; so no row goes that is not rolled up, and no writer has to wait.
/// Rows of no time, which -infinity stands for, are in no hour and in no roll-up: they stay.
std::int64_t remove_default_rows(pg::Spi& spi, Instant before, Instant now) {
  if (!has_default_rows_before(spi, before)) return 0;
  const pg::FreshSnapshot snapshot;
  rollup::roll_up_hours(spi, now, true);
  return static_cast<std::int64_t>(
      spi.execute_as_of(snapshot.get(),
                        "DELETE FROM monitoring_internal.pipeline_metrics_default"
                        " WHERE \"timestamp\" > '-infinity' AND \"timestamp\" < $1",
                        {pg::timestamptz(before)}));
}

/// Under REPEATABLE READ a pass does not see what was committed since its transaction began.
bool has_rows_after_snapshot(pg::Spi& spi) {
  if (!IsolationUsesXactSnapshot()) return false;
  bool found = false;
  pg::call([] { PushActiveSnapshot(GetLatestSnapshot()); });
  measurements::for_each_new_row(spi, [&](const measurements::RawRow&) { found = true; });
  PopActiveSnapshot();
  return found;
}

std::string names_of(const std::vector<measurements::DayPartition>& partitions) {
  std::string names;
  for (const measurements::DayPartition& partition : partitions) {
    names += (names.empty() ? "monitoring_internal." : ", monitoring_internal.") + partition.name;
  }
  return names;
}

/// Dropping a partition needs the parent for itself: that is asked for first, so that writers wait
/// for one lock at most, and then for a pass over what came since the last one. Everything else is
/// done before, or after COMMIT: the server removes files when it has released the locks.
/// nullopt: they stay until the next run.
std::optional<std::int64_t> drop_partitions(pg::Spi& spi,
                                            const std::vector<measurements::DayPartition>& old,
                                            Instant now) {
  if (old.empty()) return std::nullopt;
  rollup::roll_up_hours(spi, now, true);
  std::int64_t removed = 0;
  for (const measurements::DayPartition& partition : old)
    removed += measurements_of_day(spi, partition.start);
  const std::string names = names_of(old);
  bool dropped = false;
  measurements::with_short_lock_waits(spi, [&] {
    spi.run_script("LOCK TABLE ONLY monitoring.pipeline_metrics IN ACCESS EXCLUSIVE MODE");
    spi.run_script(("LOCK TABLE " + names + " IN ACCESS EXCLUSIVE MODE NOWAIT").c_str());
    rollup::roll_up_hours(spi, now, true);
    if (has_rows_after_snapshot(spi)) return;
    spi.run_script(("DROP TABLE " + names).c_str());
    dropped = true;
  });
  return dropped ? std::optional(removed) : std::nullopt;
}

std::int64_t remove_raw(pg::Spi& spi, const Cutoffs& cutoffs, Instant now) {
  const auto exact = cutoffs.find("raw");
  if (exact == cutoffs.end()) return 0;
  // Whole hours: one that has lost some of its rows could not be computed again.
  const Instant before = pg::instant_of(hour_of(pg::timestamptz_of(exact->second)));
  std::vector<measurements::DayPartition> old;
  for (const measurements::DayPartition& partition : measurements::day_partitions()) {
    if (partition.start + Duration(kDayUs) <= before) old.push_back(partition);
  }
  const std::int64_t single = remove_default_rows(spi, before, now);
  // Last: from its lock on, writers wait until this transaction ends.
  const std::optional<std::int64_t> of_days = drop_partitions(spi, old, now);
  if (single > 0 || of_days) mark_raw_removed(spi, before);
  return single + of_days.value_or(0);
}

}  // namespace

std::vector<std::pair<std::string, std::int64_t>> apply_retention(pg::Spi& spi, Instant now) {
  const Cutoffs before = cutoffs(spi, now);
  issues::UnusableObjects failed("retention", "not_removed");
  // What keeps rows of one kind, say a foreign key of somebody's, keeps no others.
  const auto count = [&](const char* kind, const auto& remove) {
    std::int64_t rows = 0;
    const std::string object = "kind \"" + std::string(kind) + "\"";
    if (!failed.attempt(object, [&] { rows = remove(); })) rows = 0;
    return rows;
  };
  std::vector<std::pair<std::string, std::int64_t>> removed{{"raw", 0}};
  for (const LevelRule& rule : kLevelRules) {
    removed.emplace_back(rule.kind,
                         count(rule.kind, [&] { return remove_level(spi, rule, before); }));
  }
  for (const RowRule& rule : kRowRules) {
    const std::int64_t rows = count(rule.kind, [&] { return remove_rows(spi, rule, before); });
    // The tables of one kind follow each other.
    if (removed.back().first == rule.kind) {
      removed.back().second += rows;
    } else {
      removed.emplace_back(rule.kind, rows);
    }
  }
  removed.emplace_back("samples", count("samples", [&] { return remove_samples(spi, before); }));
  // Last, because of its locks.
  removed.front().second = count("raw", [&] { return remove_raw(spi, before, now); });
  failed.settle(spi);
  return removed;
}

}  // namespace monitoring::retention
