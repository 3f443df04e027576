#include "monitoring/dispatch/inhibition.hpp"

namespace monitoring::dispatch {

namespace {

/// The values of the `equal` labels as one string. 0xFF occurs in no UTF-8 text.
std::string equal_key(const InhibitRule& rule, const Labels& labels) {
  std::string key;
  for (const std::string& name : rule.equal) {
    key += labels.get(name);
    key += '\xFF';
  }
  return key;
}

}  // namespace

Inhibitor::Inhibitor(std::vector<InhibitRule> rules) {
  entries_.reserve(rules.size());
  for (InhibitRule& rule : rules) entries_.push_back({std::move(rule), {}});
}

void Inhibitor::add(const notify::AlertView& alert, Instant now) {
  if (notify::resolved_at(alert, now)) return;
  for (Entry& entry : entries_) {
    if (!matches_all(entry.rule.source, alert.labels)) continue;
    Sources& sources = entry.by_equal[equal_key(entry.rule, alert.labels)];
    sources.any = alert.fingerprint;
    if (!matches_all(entry.rule.target, alert.labels)) sources.one_sided = alert.fingerprint;
  }
}

std::optional<Inhibition> Inhibitor::inhibits(const Labels& labels) const {
  for (const Entry& entry : entries_) {
    const InhibitRule& rule = entry.rule;
    if (!matches_all(rule.target, labels)) continue;
    const auto at = entry.by_equal.find(equal_key(rule, labels));
    if (at == entry.by_equal.end()) continue;
    const bool two_sided = matches_all(rule.source, labels);
    const std::string& source = two_sided ? at->second.one_sided : at->second.any;
    if (!source.empty()) return Inhibition{rule.name, source};
  }
  return std::nullopt;
}

}  // namespace monitoring::dispatch
