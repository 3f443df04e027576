// Names of monitoring.health_thresholds: a check of health, or a metric that there is. A threshold
// under any other name would never be looked at.

#include "monitoring/pg/spi.hpp"
#include "monitoring/pg/trigger.hpp"

#include <string>
#include <vector>

#include "api/named_rows.hpp"

using namespace monitoring;

namespace {

bool is_known(pg::Spi& spi, const std::string& name) {
  return *spi.query(
                 "SELECT monitoring_internal.restoring()"
                 " OR $1 IN (SELECT check_name FROM monitoring.effective_health_thresholds)"
                 " OR EXISTS (SELECT FROM monitoring.metric_definitions WHERE metric_name = $1)"
                 " OR EXISTS (SELECT FROM monitoring.pipeline_metrics WHERE metric_name = $1)"
                 " OR EXISTS (SELECT FROM monitoring.aggregated_metrics WHERE metric_name = $1)",
                 {pg::text(name)})
              .boolean(0, 1);
}

/// The one that is most like it; empty where none is like it at all.
std::string nearest(pg::Spi& spi, const std::string& name) {
  const pg::Rows rows = spi.query(
      "SELECT check_name FROM monitoring.effective_health_thresholds"
      " UNION SELECT metric_name FROM monitoring.metric_definitions ORDER BY 1");
  std::vector<std::string> known;
  for (std::uint64_t row = 0; row < rows.size(); ++row) known.push_back(*rows.text(row, 1));
  return api::nearest_name(name, known);
}

}  // namespace

/// Trigger of monitoring.health_thresholds: refuses a name that nothing goes by.
MONITORING_FUNCTION(monitoring_check_health_threshold) {
  const pg::TriggerCall row(fcinfo, {"check_health_threshold", pg::TriggerTime::before,
                                     pg::kOnInsert | pg::kOnUpdate, 0});
  const auto name = row.text("check_name");
  // The table's own NOT NULL says it better.
  if (!name) return row.result();
  if (row.is_update() && row.old_text("check_name") == name) return row.result();
  pg::Spi spi;
  if (is_known(spi, *name)) return row.result();
  const std::string alike = nearest(spi, *name);
  throw pg::Report(ERRCODE_UNDEFINED_OBJECT,
                   "there is no check of health and no metric named \"" + *name + "\"")
      .hint((alike.empty() ? std::string() : "Perhaps \"" + alike + "\" is meant. ") +
            "monitoring.effective_health_thresholds lists the checks; a metric has to be recorded "
            "or defined (monitoring.define_metric()) first.");
}
