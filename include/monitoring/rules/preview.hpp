#pragma once
// What a rule would say at a time, without writing anything: its query is run as its owner, and its
// rows go through the same state machine as in a pass. Statements need search_path to be
// pg_catalog, but for the rule's own.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <optional>
#include <string>
#include <vector>

#include "monitoring/alerting/instance.hpp"
#include "monitoring/alerting/rule.hpp"

namespace monitoring::rules {

/// A query that is no rule yet. It runs as the current user.
struct RuleDraft {
  std::string expr;
  alerting::RuleDefinition definition;
  Duration for_duration{0};
  std::string search_path;
};

struct PreviewedAlert {
  Labels labels;
  Labels annotations;
  std::optional<double> value;
  /// What it is now, and what it would be.
  alerting::AlertState was = alerting::AlertState::kInactive;
  alerting::AlertState state = alerting::AlertState::kInactive;
};

struct RulePreview {
  std::vector<PreviewedAlert> alerts;
  double query_ms = 0;
};

/// A rule that is stored: 42704 for a name that is not there. Alerts as they are now count as the
/// past, unless `at` is before the last pass. Errors: those of the query, 21000 for rows that make
/// no alerts.
RulePreview preview_rule(pg::Spi& spi, const std::string& rule_name, Instant at);

/// A draft; with the alerts of the rule of that name, if there is one.
RulePreview preview_draft(pg::Spi& spi, const RuleDraft& draft, Instant at);

/// The id of a rule.
std::optional<std::int64_t> find_rule(pg::Spi& spi, const std::string& rule_name);

}  // namespace monitoring::rules
