#include "rules/shared_reads.hpp"

#include <algorithm>
#include <utility>

namespace monitoring::rules {

namespace {

/// So that what is read ahead stays small, and a failure makes few rules run by themselves.
constexpr std::size_t kMostTogether = 1000;

}  // namespace

SharedReads::SharedReads(pg::Spi& spi, const std::vector<StoredRule>& rules, Instant now,
                         std::set<std::int64_t>& alone)
    : spi_(spi), now_(now), alone_(alone) {
  for (auto rule = rules.rbegin(); rule != rules.rend(); ++rule) {
    if (shares(*rule)) waiting_[kind_of(*rule)].push_back(&*rule);
  }
}

SharedReads::Kind SharedReads::kind_of(const StoredRule& rule) {
  const series::SeriesWindow& window = rule.threshold->series->window;
  return {*rule.owner_id, window.over_last, window.aggregate, rule.timeout};
}

/// A rule that failed would probably make the others fail again.
bool SharedReads::shares(const StoredRule& rule) const {
  if (rule.has_own_query() || !rule.has_its_owner() || rule.last_error) return false;
  return alone_.count(rule.id) == 0;
}

QueryOutcome SharedReads::run(const StoredRule& rule) {
  if (!shares(rule)) return run_rule_query(spi_, rule, now_);
  if (read_.count(rule.id) == 0) read(waiting_.at(kind_of(rule)));
  const auto found = read_.find(rule.id);
  if (found == read_.end()) return run_rule_query(spi_, rule, now_);
  QueryOutcome outcome{std::move(found->second), std::nullopt};
  read_.erase(found);
  return outcome;
}

void SharedReads::read(std::vector<const StoredRule*>& waiting) {
  const std::size_t count = std::min(waiting.size(), kMostTogether);
  const std::vector<const StoredRule*> next(waiting.rbegin(),
                                            waiting.rbegin() + static_cast<std::ptrdiff_t>(count));
  waiting.resize(waiting.size() - count);
  read_.merge(read_together(next, now_));
  for (const StoredRule* rule : next) {
    if (read_.count(rule->id) == 0) alone_.insert(rule->id);
  }
}

}  // namespace monitoring::rules
