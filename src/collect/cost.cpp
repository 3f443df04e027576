#include "monitoring/collect/cost.hpp"

#include "monitoring/base/json.hpp"
#include "monitoring/pg/prepared.hpp"

extern "C" {
#include <catalog/pg_type.h>
}
// clang-format keeps the server's headers first.
#include <map>
#include <utility>

namespace monitoring::collect {

namespace {

/// Lives as long as the process.
std::map<std::pair<CostPart, std::string>, Cost>& counted() {
  static auto* const costs = new std::map<std::pair<CostPart, std::string>, Cost>;
  return *costs;
}

double seconds_of(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

std::string json_of(const std::vector<CountedCost>& costs) {
  Json rows = Json::array();
  for (const auto& [part, name, cost] : costs) {
    rows.push_back({{"part", part == CostPart::duty ? "duty" : "collector"},
                    {"name", name},
                    {"runs", cost.runs},
                    {"failures", cost.failures},
                    {"seconds", seconds_of(cost.took)},
                    {"rows_written", cost.rows_written}});
  }
  return rows.dump();
}

}  // namespace

void count_cost(CostPart part, const std::string& name, const Cost& cost) {
  Cost& sum = counted()[{part, name}];
  sum.runs += cost.runs;
  sum.failures += cost.failures;
  sum.took += cost.took;
  sum.rows_written += cost.rows_written;
}

std::vector<CountedCost> save_costs(pg::Spi& spi, Instant now) {
  // Nothing was counted before the first save of a process.
  static Instant last_saved = now;
  std::vector<CountedCost> costs;
  for (auto& [key, cost] : counted()) costs.push_back({key.first, key.second, cost});
  static pg::Prepared statement(
      "INSERT INTO monitoring_internal.cost_hours AS c"
      " (hour, part, name, counted_since, runs, failures, seconds, rows_written)"
      " SELECT h.hour, v.part, v.name, greatest(h.hour, $2), v.runs, v.failures, v.seconds,"
      "  v.rows_written"
      " FROM (SELECT date_trunc('hour', $1, 'UTC') AS hour) AS h,"
      " jsonb_to_recordset($3) AS v"
      "  (part text, name text, runs bigint, failures bigint, seconds float8, rows_written bigint)"
      " ON CONFLICT (hour, part, name) DO UPDATE SET runs = c.runs + excluded.runs,"
      "  failures = c.failures + excluded.failures, seconds = c.seconds + excluded.seconds,"
      "  rows_written = c.rows_written + excluded.rows_written",
      {TIMESTAMPTZOID, TIMESTAMPTZOID, JSONBOID});
  statement.execute(spi,
                    {pg::timestamptz(now), pg::timestamptz(last_saved), pg::jsonb(json_of(costs))});
  counted().clear();
  last_saved = now;
  return costs;
}

}  // namespace monitoring::collect
