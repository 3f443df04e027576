#pragma once
// The query of an alert rule, run as the rule's owner.

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

/// Never throws for what the rule's owner did; a cancel and a shutdown are passed on.
QueryOutcome run_rule_query(const StoredRule& rule, Instant now);

}  // namespace monitoring::store
