#include "metrics/family_names.hpp"

#include <algorithm>
#include <set>
#include <unordered_map>

namespace monitoring::metrics {

namespace {

constexpr const char* kExported = "exported_";

void make_way_for_own(FamilyName* family, const std::set<std::string>& own) {
  const auto is_taken = [&] {
    const auto names = sample_names(family->name, family->type);
    return std::any_of(names.begin(), names.end(),
                       [&](const std::string& name) { return own.count(name) > 0; });
  };
  while (is_taken()) family->name.insert(0, kExported);
}

}  // namespace

std::vector<std::string> sample_names(const std::string& name, MetricType type) {
  if (type != MetricType::histogram) return {name};
  return {name + "_bucket", name + "_sum", name + "_count", name};
}

void settle_names(std::vector<FamilyName>* families) {
  std::set<std::string> own;
  for (const FamilyName& family : *families) {
    if (!family.is_own) continue;
    for (std::string& name : sample_names(family.name, family.type)) own.insert(std::move(name));
  }
  std::unordered_map<std::string, FamilyName*> holders;
  holders.reserve(2 * families->size());
  for (FamilyName& family : *families) {
    if (family.is_own) continue;
    make_way_for_own(&family, own);
    for (std::string& name : sample_names(family.name, family.type)) {
      const auto [holder, is_first] = holders.emplace(std::move(name), &family);
      if (is_first) continue;
      holder->second->is_untyped = true;
      family.is_untyped = true;
    }
  }
}

}  // namespace monitoring::metrics
