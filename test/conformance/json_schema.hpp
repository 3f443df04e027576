#pragma once
// As much of JSON Schema as the schemas of PagerDuty's API and of Sentry's events use: $ref, type,
// enum, required, properties, additionalProperties, items, anyOf, minItems and maxItems.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace monitoring::conformance {

/// What is wrong with `value`, with the path to it; nothing where it is valid. References are
/// looked up in `document`.
std::optional<std::string> schema_violation(const nlohmann::json& document,
                                            const nlohmann::json& schema,
                                            const nlohmann::json& value,
                                            const std::string& path = "$");

}  // namespace monitoring::conformance
