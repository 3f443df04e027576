#pragma once
// Byte strings that are equal where labels are: keys of hash tables.

#include <string>
#include <unordered_map>
#include <vector>

#include "monitoring/base/hash64.hpp"
#include "monitoring/base/labels.hpp"

namespace monitoring::promql {

/// Of all labels.
std::string label_key(const Labels& labels);

/// Seeded by where the program lies in memory: labels are others' to choose.
struct HashOfKey {
  std::size_t operator()(const std::string& key) const {
    static const char kSomewhere = 0;
    return hash64(key, reinterpret_cast<std::uintptr_t>(&kSomewhere));
  }
};

template <class Value>
using KeyMap = std::unordered_map<std::string, Value, HashOfKey>;

/// Labels by which series are grouped or matched.
class LabelChoice {
 public:
  /// These labels alone.
  static LabelChoice only(std::vector<std::string> names);
  /// All but these, and but the metric's name.
  static LabelChoice all_but(std::vector<std::string> names);

  /// Replaces what is in `key`, whose memory is used again.
  void make_key(const Labels& labels, std::string& key) const;
  /// The chosen labels.
  Labels chosen(const Labels& labels) const;

 private:
  LabelChoice(std::vector<std::string> names, bool only_these);
  bool has(std::string_view name) const;

  std::vector<std::string> names_;
  bool only_these_;
};

}  // namespace monitoring::promql
