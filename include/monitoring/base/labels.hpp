#pragma once
// Label sets and their fingerprints, as Prometheus and Alertmanager define them.

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace monitoring {

/// A set of label names with values, sorted by name. A label with an empty value equals a missing
/// label wherever labels are matched, but it is kept here as given.
class Labels {
 public:
  using Pair = std::pair<std::string, std::string>;

  Labels() = default;
  Labels(std::initializer_list<Pair> pairs);

  /// The value of a label, or "" where it is missing.
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const;
  void set(std::string name, std::string value);
  void erase(std::string_view name);

  bool empty() const { return pairs_.empty(); }
  std::size_t size() const { return pairs_.size(); }
  auto begin() const { return pairs_.begin(); }
  auto end() const { return pairs_.end(); }

  /// FNV-1a (64 bit) over the sorted labels: model.LabelSet.Fingerprint of prometheus/common.
  std::uint64_t fingerprint() const;

  friend bool operator==(const Labels& a, const Labels& b) { return a.pairs_ == b.pairs_; }
  friend bool operator!=(const Labels& a, const Labels& b) { return !(a == b); }
  friend bool operator<(const Labels& a, const Labels& b) { return a.pairs_ < b.pairs_; }

 private:
  std::vector<Pair> pairs_;
};

/// Prometheus's classic label names: [a-zA-Z_][a-zA-Z0-9_]*, whatever the locale.
bool is_label_name(std::string_view name);

/// The 16 lower-case hex digits under which Alertmanager shows a fingerprint.
std::string fingerprint_text(std::uint64_t fingerprint);

}  // namespace monitoring
