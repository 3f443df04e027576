#pragma once
// Inhibition: while some alerts fire, others are not notified about (Alertmanager's inhibit).

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "monitoring/base/clock.hpp"
#include "monitoring/base/labels.hpp"
#include "monitoring/dispatch/matcher.hpp"
#include "monitoring/notify/notification.hpp"

namespace monitoring::dispatch {

struct InhibitRule {
  /// Shown in reasons.
  std::string name;
  /// The alerts that inhibit.
  Matchers source;
  /// The alerts that are inhibited.
  Matchers target;
  /// Labels that have to be the same in both; missing in both counts as the same.
  std::vector<std::string> equal;
};

/// Which alert inhibits, by which rule.
struct Inhibition {
  std::string rule;
  /// Fingerprint of an inhibiting alert; there may be more.
  std::string source;
};

/// The rules together with the alerts that fire at one instant. Look-ups take a step per rule,
/// however many alerts there are.
class Inhibitor {
 public:
  explicit Inhibitor(std::vector<InhibitRule> rules);

  /// Makes the alert a source of the rules that it matches, unless it is resolved at `now`.
  void add(const notify::AlertView& alert, Instant now);

  /// Whether an alert with these labels is inhibited. An alert that matches both sides of a rule
  /// cannot be inhibited by another such alert, itself included.
  std::optional<Inhibition> inhibits(const Labels& labels) const;

 private:
  /// The sources of one rule that share the values of its `equal` labels; "" where there is none.
  struct Sources {
    std::string any;
    /// One that does not match the target side as well.
    std::string one_sided;
  };
  struct Entry {
    InhibitRule rule;
    std::unordered_map<std::string, Sources> by_equal;
  };

  std::vector<Entry> entries_;
};

}  // namespace monitoring::dispatch
