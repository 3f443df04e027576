#pragma once
// What alert rules ask, run as the rules' owners.

#include <map>
#include <optional>
#include <vector>

#include "monitoring/alerting/rule.hpp"
#include "monitoring/pg/owner_scope.hpp"
#include "store/stored_rule.hpp"

namespace monitoring::store {

/// The rows of the result, or why there are none.
struct QueryOutcome {
  std::vector<alerting::Sample> samples;
  std::optional<pg::OwnerFailure> failure;
};

/// One rule's query. Never throws for what the rule's owner did; a cancel and a shutdown are passed
/// on.
QueryOutcome run_rule_query(const StoredRule& rule, Instant now);

/// By the rule's id.
using SamplesByRule = std::map<std::int64_t, std::vector<alerting::Sample>>;

/// One query for rules that watch recorded metrics and differ in the metric and its tags alone: the
/// owner, the window and the timeout are those of the first. A rule is left out, to be run by
/// itself, if its result is beyond its limit; all are if the query fails, takes longer than a
/// second or gives more rows than are worth keeping.
SamplesByRule read_together(const std::vector<const StoredRule*>& rules, Instant now);

}  // namespace monitoring::store
