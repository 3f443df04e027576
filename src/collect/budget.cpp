// monitoring.max_duty_cycle: how often collectors may run that together take too much time.

#include "monitoring/base/json.hpp"
#include "monitoring/pg/intervals.hpp"
#include "monitoring/pg/prepared.hpp"
#include "monitoring/pg/settings.hpp"

extern "C" {
#include <catalog/pg_type.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "monitoring/base/run_grid.hpp"
#include "monitoring/base/time_budget.hpp"
#include "monitoring/collect/collectors.hpp"
#include "monitoring/issues/issues.hpp"
#include "monitoring/issues/unusable.hpp"

namespace monitoring::collect {

namespace {

constexpr const char* kWorkerName = "collectors";
constexpr const char* kOverBudget = "over_budget";
constexpr const char* kNotStretched = "not_stretched";
/// Once over the budget they are fitted into a little less, so that it is not left and entered with
/// every run that takes a little longer.
constexpr double kMargin = 0.9;
/// A smaller change of an interval is not worth a write.
constexpr double kSmallestChange = 0.1;
constexpr std::size_t kNamed = 3;

struct Collector {
  std::string name;
  Duration stretched{0};  ///< 0: it runs as often as it asks for
};

/// A day: what the table says may be anything.
constexpr double kLongestCostMs = 86400000;

/// What is run here, how often and for how long.
struct Collectors {
  std::vector<Collector> all;
  std::vector<Load> loads;

  bool are_stretched() const {
    return std::any_of(all.begin(), all.end(),
                       [](const Collector& one) { return one.stretched != Duration::zero(); });
  }
};

/// The average before the last run, so that one slow run alone changes nothing.
Duration cost_of(double last_ms, double average_ms) {
  const double cost_ms = std::min(last_ms, 2 * average_ms - last_ms);
  if (std::isnan(cost_ms)) return Duration::zero();
  return Duration(static_cast<Duration::rep>(std::clamp(cost_ms, 0.0, kLongestCostMs) * 1000));
}

Collectors read_collectors(pg::Spi& spi, const RunElsewhere& elsewhere) {
  static pg::Prepared statement(
      "SELECT c.collector_name, c.every,"
      " c.consecutive_failures,"
      " c.last_duration_ms, c.average_duration_ms, c.stretched_every"
      " FROM monitoring.collectors AS c WHERE c.enabled AND c.average_duration_ms IS NOT NULL"
      " AND (c.scope = 'database'"
      "  OR NOT hashtextextended(c.collector_name COLLATE \"C\", 0) = ANY ($1))"
      " ORDER BY c.collector_name",
      {INT8ARRAYOID});
  const pg::Rows rows = statement.query(spi, {pg::int8_array(elsewhere)});
  Collectors found;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    const auto failures = static_cast<int>(*rows.int8(row, 3));
    const double average_ms = *rows.float8(row, 5);
    const Duration cost = cost_of(rows.float8(row, 4).value_or(average_ms), average_ms);
    found.all.push_back(
        {*rows.text(row, 1), pg::interval_at(rows, row, 6).value_or(Duration::zero())});
    found.loads.push_back(
        {cost, wait_after(failures, *pg::interval_at(rows, row, 2), kLongestBackOff)});
  }
  return found;
}

bool is_change(Duration before, Duration after) {
  if (before == Duration::zero() || after == Duration::zero()) return before != after;
  const double ratio = static_cast<double>(after.count()) / static_cast<double>(before.count());
  return std::abs(ratio - 1) > kSmallestChange;
}

/// One that is being run, or edited, has its turn the next time.
void set_stretched(pg::Spi& spi, const std::string& name, Duration stretched) {
  static pg::Prepared statement(
      "UPDATE monitoring.collectors AS c SET stretched_every = $2,"
      " next_run_at = CASE WHEN c.consecutive_failures = 0"
      "  THEN c.last_run_at + greatest(c.every, $2)"
      "  ELSE greatest(c.next_run_at, c.last_run_at + $2) END"
      " WHERE c.collector_name = (SELECT l.collector_name FROM monitoring.collectors AS l"
      "  WHERE l.collector_name = $1 FOR UPDATE SKIP LOCKED)",
      {TEXTOID, INTERVALOID});
  const pg::Param every =
      stretched == Duration::zero() ? pg::null_of(INTERVALOID) : pg::interval(stretched);
  statement.query(spi, {pg::text(name), every});
}

std::string percent(double share) {
  char text[32];
  snprintf(text, sizeof text, "%.1f %%", share * 100);
  return text;
}

/// The names of those that were stretched most, in that order.
std::vector<std::string> dearest(const Collectors& collectors,
                                 const std::vector<Duration>& intervals) {
  std::vector<std::pair<double, std::string>> ranked;
  for (std::size_t i = 0; i < intervals.size(); ++i) {
    const Duration every = collectors.loads[i].every;
    if (intervals[i] == every) continue;
    ranked.emplace_back(static_cast<double>(intervals[i].count()) / every.count(),
                        collectors.all[i].name);
  }
  std::sort(ranked.rbegin(), ranked.rend());
  std::vector<std::string> names;
  for (const auto& [factor, name] : ranked) names.push_back(name);
  return names;
}

void log_over_budget(pg::Spi& spi, const Collectors& collectors,
                     const std::vector<Duration>& intervals, double budget) {
  std::vector<std::string> names = dearest(collectors, intervals);
  const std::size_t count = names.size();
  names.resize(std::min(names.size(), kNamed));
  const double wanted = share_of(collectors.loads);
  const Json details = {{"duty_cycle", wanted}, {"stretched", count}, {"dearest", names}};
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "\"" : ", \"") + name + "\"";
  issues::log_issue_once(
      spi, {kWorkerName, kOverBudget,
            "collectors would take " + percent(wanted) +
                " of the worker's time, and monitoring.max_duty_cycle leaves them " +
                percent(budget) + ": " + std::to_string(count) +
                " of them run less often than they ask for (stretched_every), most of all " + list,
            "warning", details.dump()});
}

}  // namespace

void fit_into_budget(pg::Spi& spi, const RunElsewhere& elsewhere) {
  const Collectors collectors = read_collectors(spi, elsewhere);
  const double budget = pg::settings().max_duty_cycle;
  const bool were_stretched = collectors.are_stretched();
  const bool fit = share_of(collectors.loads) <= budget * (were_stretched ? kMargin : 1);
  if (fit && !were_stretched) return;
  const std::vector<Duration> intervals = intervals_within(collectors.loads, budget * kMargin);
  const auto set = [&](std::size_t i) {
    const bool is_own = intervals[i] == collectors.loads[i].every;
    const Duration stretched = is_own ? Duration::zero() : intervals[i];
    if (!is_change(collectors.all[i].stretched, stretched)) return;
    set_stretched(spi, collectors.all[i].name, stretched);
  };
  const auto set_all = [&] {
    for (std::size_t i = 0; i < intervals.size(); ++i) set(i);
  };
  issues::UnusableObjects unusable(kWorkerName, kNotStretched);
  if (issues::try_alone(set_all)) {
    for (std::size_t i = 0; i < intervals.size(); ++i) {
      unusable.attempt("collector \"" + collectors.all[i].name + "\"", [&] { set(i); });
    }
  }
  unusable.settle(spi);
  if (fit) {
    issues::resolve_issues(spi, kWorkerName, kOverBudget,
                           "All collectors run as often as they ask for.");
  } else if (!were_stretched) {
    log_over_budget(spi, collectors, intervals, budget);
  }
}

}  // namespace monitoring::collect
