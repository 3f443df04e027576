#pragma once
// The levels of a threshold as a row of monitoring.thresholds has them.

#include <optional>
#include <string>

#include "monitoring/alerting/threshold.hpp"

namespace monitoring::rules {

/// The columns' values. Either warning and critical are the levels, or the JSON array is:
/// [{"severity": "P0", "bound": 95, "resolve_at": 90, "inclusive": true}, ...], most severe first.
struct ThresholdLevels {
  std::string comparison;
  std::optional<double> warning;
  std::optional<double> critical;
  std::optional<double> resolve_at;
  std::optional<std::string> levels;
};

/// Throws 22023, with what is wrong with which level.
alerting::Threshold make_threshold(const std::string& alert_name, const ThresholdLevels& row);

}  // namespace monitoring::rules
