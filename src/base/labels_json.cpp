#include "monitoring/base/labels_json.hpp"

#include <algorithm>

namespace monitoring {

Json json_of(const Labels& labels) {
  Json object = Json::object();
  for (const auto& [name, value] : labels) object[name] = value;
  return object;
}

Labels labels_of(const Json& object) {
  Labels labels;
  for (const auto& [name, value] : object.members()) {
    if (value.is_null()) continue;
    labels.set(name, value.is_string() ? value.string() : value.dump());
  }
  return labels;
}

Labels labels_of_stored(std::string_view text) {
  return labels_of(Json::parse_stored(text));
}

bool are_labels(const Json& json) {
  const auto& members = json.members();
  return json.is_object() && std::none_of(members.begin(), members.end(), [](const auto& member) {
           return member.value.is_structured();
         });
}

}  // namespace monitoring
