#include "monitoring/rules/baseline.hpp"

#include <vector>

#include "monitoring/alerting/threshold.hpp"

namespace monitoring::rules {

std::optional<double> metric_baseline(pg::Spi& spi, const std::string& metric_name,
                                      const pg::Param& dimensions, Instant at, int days,
                                      std::size_t at_least) {
  // Rows without a finite measurement have no average.
  const pg::Rows rows = spi.query(
      "SELECT a.period_start, sum(a.sum_value) / sum(a.count_value - a.nonfinite_count)"
      " FROM monitoring.aggregated_metrics a"
      " WHERE a.metric_name = $1 AND a.period = 'hourly' AND a.period_start = ANY (ARRAY("
      "  SELECT date_trunc('hour', $2, 'UTC') - d * interval '24 hours'"
      "  FROM generate_series(1, $3) AS d))"
      "  AND a.dimensions @> $4 AND a.avg_value IS NOT NULL GROUP BY a.period_start",
      {pg::text(metric_name), pg::timestamptz(at), pg::int4(days), dimensions});
  std::vector<alerting::HourlyPoint> points;
  points.reserve(rows.size());
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    points.push_back({*rows.timestamptz(row, 1), *rows.float8(row, 2)});
  }
  return alerting::same_hour_baseline(points, at, days, at_least);
}

}  // namespace monitoring::rules
