#include "json_schema.hpp"

#include <algorithm>

namespace monitoring::conformance {

namespace {

using nlohmann::json;

bool has_type(const std::string& type, const json& value) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  return type == "null" && value.is_null();
}

bool type_matches(const json& types, const json& value) {
  if (types.is_string()) return has_type(types.get<std::string>(), value);
  return std::any_of(types.begin(), types.end(),
                     [&](const json& type) { return has_type(type.get<std::string>(), value); });
}

std::optional<std::string> object_violation(const json& document, const json& schema,
                                            const json& value, const std::string& path) {
  for (const auto& name : schema.value("required", json::array())) {
    if (!value.contains(name.get<std::string>())) return path + " lacks " + name.dump();
  }
  const json properties = schema.value("properties", json::object());
  const json more = schema.value("additionalProperties", json(true));
  for (const auto& [name, member] : value.items()) {
    const std::string member_path = path + "." + name;
    std::optional<std::string> violation;
    if (properties.contains(name)) {
      violation = schema_violation(document, properties[name], member, member_path);
    } else if (more == json(false)) {
      violation = member_path + " is not known";
    } else if (more.is_object()) {
      violation = schema_violation(document, more, member, member_path);
    }
    if (violation) return violation;
  }
  return std::nullopt;
}

std::optional<std::string> array_violation(const json& document, const json& schema,
                                           const json& value, const std::string& path) {
  if (value.size() < schema.value("minItems", std::size_t{0})) return path + " is too short";
  if (value.size() > schema.value("maxItems", value.size())) return path + " is too long";
  if (!schema.contains("items") || !schema["items"].is_object()) return std::nullopt;
  for (std::size_t i = 0; i < value.size(); ++i) {
    auto violation =
        schema_violation(document, schema["items"], value[i], path + "[" + std::to_string(i) + "]");
    if (violation) return violation;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> schema_violation(const json& document, const json& schema,
                                            const json& value, const std::string& path) {
  if (schema.contains("$ref")) {
    const json::json_pointer target(schema["$ref"].get<std::string>().substr(1));
    return schema_violation(document, document.at(target), value, path);
  }
  if (schema.contains("type") && !type_matches(schema["type"], value)) {
    return path + " is no " + schema["type"].dump();
  }
  if (schema.contains("enum")) {
    const json& allowed = schema["enum"];
    if (std::find(allowed.begin(), allowed.end(), value) == allowed.end()) {
      return path + " is none of " + allowed.dump();
    }
  }
  if (schema.contains("anyOf")) {
    std::optional<std::string> violation;
    for (const json& choice : schema["anyOf"]) {
      violation = schema_violation(document, choice, value, path);
      if (!violation) break;
    }
    if (violation) return violation;
  }
  if (value.is_object()) return object_violation(document, schema, value, path);
  if (value.is_array()) return array_violation(document, schema, value, path);
  return std::nullopt;
}

}  // namespace monitoring::conformance
