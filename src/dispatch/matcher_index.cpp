#include "monitoring/dispatch/matcher_index.hpp"

#include <algorithm>
#include <set>
#include <string_view>

namespace monitoring::dispatch {

namespace {

/// An empty value is that of a missing label, too: it cannot be looked up.
bool asks_for_value(const Matcher& matcher) {
  return matcher.op() == MatchOp::kEqual && !matcher.value().empty();
}

using ValuesByName = std::map<std::string_view, std::set<std::string_view>>;

ValuesByName values_asked_for(const std::vector<const Matchers*>& lists) {
  ValuesByName values;
  for (const Matchers* matchers : lists) {
    for (const Matcher& matcher : *matchers) {
      if (asks_for_value(matcher)) values[matcher.name()].insert(matcher.value());
    }
  }
  return values;
}

/// The one whose label tells most of the lists apart; null where there is none.
const Matcher* most_telling(const Matchers& matchers, const ValuesByName& values) {
  const Matcher* best = nullptr;
  for (const Matcher& matcher : matchers) {
    if (!asks_for_value(matcher)) continue;
    const bool better =
        best == nullptr || values.at(matcher.name()).size() > values.at(best->name()).size();
    if (better) best = &matcher;
  }
  return best;
}

}  // namespace

MatcherIndex::MatcherIndex(const std::vector<const Matchers*>& lists) {
  const ValuesByName values = values_asked_for(lists);
  for (std::size_t at = 0; at < lists.size(); ++at) {
    const Matcher* matcher = most_telling(*lists[at], values);
    if (matcher == nullptr) {
      others_.push_back(at);
    } else {
      by_label_[matcher->name()][matcher->value()].push_back(at);
    }
  }
}

std::vector<std::size_t> MatcherIndex::candidates(const Labels& labels) const {
  std::vector<std::size_t> found = others_;
  for (const auto& [name, by_value] : by_label_) {
    const auto at = by_value.find(std::string(labels.get(name)));
    if (at != by_value.end()) found.insert(found.end(), at->second.begin(), at->second.end());
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace monitoring::dispatch
