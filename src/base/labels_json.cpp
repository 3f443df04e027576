#include "monitoring/base/labels_json.hpp"

#include <algorithm>
#include <optional>

namespace monitoring {

namespace {

/// Reads what jsonb's output of ordinary labels looks like: {"a": "x", "b": "y"}, in ASCII and
/// without escapes. Thousands of these are read in every pass over alerts; all else is left to the
/// JSON parser.
class PlainLabels {
 public:
  explicit PlainLabels(std::string_view text) : rest_(text) {}

  std::optional<Labels> read() {
    Labels labels;
    if (!take("{")) return std::nullopt;
    if (rest_ == "}") return labels;
    do {
      const auto name = string();
      if (!name || !take(": ")) return std::nullopt;
      const auto value = string();
      if (!value) return std::nullopt;
      labels.set(std::string(*name), std::string(*value));
    } while (take(", "));
    if (rest_ != "}") return std::nullopt;
    return labels;
  }

 private:
  bool take(std::string_view expected) {
    if (rest_.substr(0, expected.size()) != expected) return false;
    rest_.remove_prefix(expected.size());
    return true;
  }
  std::optional<std::string_view> string() {
    if (!take("\"")) return std::nullopt;
    const auto is_special = [](char c) {
      const auto byte = static_cast<unsigned char>(c);
      return c == '"' || c == '\\' || byte < 0x20 || byte > 0x7e;
    };
    const auto end = std::find_if(rest_.begin(), rest_.end(), is_special);
    if (end == rest_.end() || *end != '"') return std::nullopt;
    const auto length = static_cast<std::size_t>(end - rest_.begin());
    const std::string_view found = rest_.substr(0, length);
    rest_.remove_prefix(length + 1);
    return found;
  }

  std::string_view rest_;
};

}  // namespace

std::optional<Labels> plain_labels_of_stored(std::string_view text) {
  return PlainLabels(text).read();
}

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
  if (auto plain = plain_labels_of_stored(text)) return *std::move(plain);
  return labels_of(Json::parse_stored(text));
}

bool are_labels(const Json& json) {
  const auto& members = json.members();
  return json.is_object() && std::none_of(members.begin(), members.end(), [](const auto& member) {
           return member.value.is_structured();
         });
}

}  // namespace monitoring
