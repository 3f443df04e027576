#include "promql/label_keys.hpp"

#include <algorithm>
#include <cstdint>

#include "monitoring/promql/matcher.hpp"

namespace monitoring::promql {

namespace {

void add(std::string& key, std::string_view text) {
  const auto size = static_cast<std::uint32_t>(text.size());
  key.append(reinterpret_cast<const char*>(&size), sizeof size);
  key += text;
}

}  // namespace

std::string label_key(const Labels& labels) {
  std::string key;
  for (const auto& [name, value] : labels) {
    add(key, name);
    add(key, value);
  }
  return key;
}

LabelChoice::LabelChoice(std::vector<std::string> names, bool only_these)
    : names_(std::move(names)), only_these_(only_these) {
  std::sort(names_.begin(), names_.end());
  names_.erase(std::unique(names_.begin(), names_.end()), names_.end());
}

LabelChoice LabelChoice::only(std::vector<std::string> names) {
  return {std::move(names), true};
}

LabelChoice LabelChoice::all_but(std::vector<std::string> names) {
  names.emplace_back(kNameLabel);
  return {std::move(names), false};
}

bool LabelChoice::has(std::string_view name) const {
  return std::binary_search(names_.begin(), names_.end(), name, std::less<>());
}

void LabelChoice::make_key(const Labels& labels, std::string& key) const {
  key.clear();
  if (only_these_) {
    for (const std::string& name : names_) add(key, labels.get(name));
    return;
  }
  for (const auto& [name, value] : labels) {
    if (has(name)) continue;
    add(key, name);
    add(key, value);
  }
}

Labels LabelChoice::chosen(const Labels& labels) const {
  Labels result;
  for (const auto& [name, value] : labels) {
    if (has(name) == only_these_) result.set(name, value);
  }
  return result;
}

}  // namespace monitoring::promql
