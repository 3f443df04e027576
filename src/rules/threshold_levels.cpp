#include "monitoring/base/json.hpp"
#include "monitoring/pg/guard.hpp"
// clang-format keeps the server's header first.
#include <utility>
#include <vector>

#include "monitoring/rules/threshold_levels.hpp"

namespace monitoring::rules {

namespace {

using alerting::Level;
using alerting::Threshold;
constexpr const char* kForm =
    "Levels look like [{\"severity\": \"P0\", \"bound\": 95}, {\"severity\": \"P1\", \"bound\": "
    "80}], the most severe first; \"resolve_at\" and \"inclusive\" may be added.";

/// Sets the part of a level that `key` names; whether there is such a part and the value fits.
bool set_part(Level& level, const std::string& key, const Json& value) {
  if (key == "severity" && value.is_string()) {
    level.severity = value.string();
  } else if (key == "bound" && value.is_number()) {
    level.bound = value.number();
  } else if (key == "resolve_at" && value.is_number()) {
    level.resolve_at = value.number();
  } else if (key == "inclusive" && value.is_boolean()) {
    level.inclusive = value.boolean();
  } else {
    return false;
  }
  return true;
}

Result<Level> read_level(const Json& object) {
  if (!object.is_object()) return Error::of("is no object");
  Level level;
  for (const auto& [key, value] : object.members()) {
    if (!set_part(level, key, value)) {
      return Error::of("has a \"" + key + "\" that is unknown or of the wrong type");
    }
  }
  if (!object.contains("severity")) return Error::of("has no \"severity\"");
  if (!object.contains("bound")) return Error::of("has no \"bound\"");
  return level;
}

Result<Threshold> read_ladder(const std::string& alert_name, alerting::Comparison comparison,
                              const std::string& text) {
  // Where there are numbers beyond a double it cannot be read, and is no array.
  const Json array = Json::parse_or_null(text);
  if (!array.is_array()) return Error::of("levels must be a JSON array", kForm);
  std::vector<Level> levels;
  for (const Json& element : array.elements()) {
    auto level = read_level(element);
    if (!level) {
      const std::string place = "level " + std::to_string(levels.size() + 1) + " ";
      return Error::of(place + level.error().message, kForm);
    }
    levels.push_back(std::move(level).value());
  }
  return Threshold::ladder(alert_name, comparison, std::move(levels));
}

}  // namespace

Threshold make_threshold(const std::string& alert_name, const ThresholdLevels& row) {
  const auto comparison =
      alerting::comparison_from_text(row.comparison).value_or(alerting::Comparison::kGreater);
  auto threshold = row.levels ? read_ladder(alert_name, comparison, *row.levels)
                              : Threshold::make(alert_name, comparison, row.warning, row.critical,
                                                row.resolve_at);
  if (!threshold) throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, threshold.error());
  return std::move(threshold).value();
}

}  // namespace monitoring::rules
