#pragma once
// An alert rule as it is stored, and how it is loaded.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "monitoring/alerting/rule.hpp"
#include "monitoring/alerting/state_machine.hpp"
#include "monitoring/rules/threshold_levels.hpp"
#include "monitoring/series/window.hpp"

namespace monitoring::rules {

/// A recorded metric that is held against levels.
struct WatchedSeries {
  series::SeriesSelector selector;
  series::SeriesWindow window;
};

/// A row of monitoring.thresholds.
struct StoredThreshold {
  ThresholdLevels levels;
  /// None: the rows of the rule's own query are held against the levels.
  std::optional<WatchedSeries> series;
};

struct StoredRule {
  std::int64_t id = 0;
  alerting::RuleDefinition definition;
  alerting::Policy policy;
  std::string expr;
  Duration timeout{0};
  std::int64_t row_limit = 0;
  std::string owner;
  /// None: there is no such role (any more).
  std::optional<Oid> owner_id;
  /// The role that it was given to, which has to be that one.
  Oid bound_owner = InvalidOid;
  bool owner_is_superuser = false;
  std::string search_path;
  /// Why its last evaluation failed; none if it did not.
  std::optional<std::string> last_error;
  std::optional<StoredThreshold> threshold;
  /// Why the row makes no rule; what could be read of it is above.
  std::optional<std::string> unusable;

  /// Whether the query is the author's text and not made here.
  bool has_own_query() const { return !threshold || !threshold->series; }
  bool has_its_owner() const { return owner_id == bound_owner; }
};

/// The enabled rules that are due at `now`: made or changed since the last pass, or a multiple of
/// evaluate_every lies between the two. Without a last pass: all.
std::vector<StoredRule> load_due_rules(pg::Spi& spi, Instant now, std::optional<Instant> last);
StoredRule load_rule(pg::Spi& spi, std::int64_t id);

/// Throws 22023: the row's constraints and triggers let no other through.
alerting::Threshold threshold_of(const StoredRule& rule);

}  // namespace monitoring::rules
