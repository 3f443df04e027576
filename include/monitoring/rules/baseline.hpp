#pragma once
// What is usual for a metric at an hour of the day, from roll-ups. Statements need search_path to
// be pg_catalog.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <optional>
#include <string>

namespace monitoring::rules {

/// The median of the metric's hourly averages at the hour of `at` on the `days` days before it
/// (alerting::same_hour_baseline). `dimensions` is a jsonb parameter; series that contain it count,
/// each by its number of measurements. None with fewer than at_least hours.
std::optional<double> metric_baseline(pg::Spi& spi, const std::string& metric_name,
                                      const pg::Param& dimensions, Instant at, int days,
                                      std::size_t at_least);

}  // namespace monitoring::rules
