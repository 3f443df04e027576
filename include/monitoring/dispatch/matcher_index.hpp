#pragma once
// Which of many lists of matchers may match some labels, without trying them all. Most children of
// a big routing tree, and most silences, ask for one value of a label: team="db". They are looked
// up by it.

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "monitoring/dispatch/matcher.hpp"

namespace monitoring::dispatch {

class MatcherIndex {
 public:
  explicit MatcherIndex(const std::vector<const Matchers*>& lists);

  /// The positions of all lists that match the labels, and maybe of some that do not, in their
  /// order.
  std::vector<std::size_t> candidates(const Labels& labels) const;

 private:
  using ByValue = std::unordered_map<std::string, std::vector<std::size_t>>;

  /// By a label's name, then by the value that they ask for.
  std::map<std::string, ByValue> by_label_;
  /// Those that ask for no one value of any label.
  std::vector<std::size_t> others_;
};

}  // namespace monitoring::dispatch
