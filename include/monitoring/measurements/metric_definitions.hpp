#pragma once
// What users said about the metrics that they count: rows of monitoring.metric_definitions.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/metrics/metric.hpp"

namespace monitoring::measurements {

/// Texts are in UTF-8, as in the registry.
struct MetricDefinition {
  std::string name;
  metrics::MetricType type;
  std::string help;
  std::string unit;
  std::vector<double> bounds;  ///< empty: the default ones

  /// Good for as long as this is.
  metrics::MetricSpec spec() const;
};

/// Reads the table itself: whoever may count a metric need not be allowed to read definitions.
std::optional<MetricDefinition> find_definition(std::string_view name);

/// Writes the row. dimension_keys stay as they are, and so does `snapshot` if it is not given.
void write_definition(pg::Spi& spi, const MetricDefinition& definition,
                      std::optional<bool> snapshot);

}  // namespace monitoring::measurements
