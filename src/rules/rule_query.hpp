#pragma once
// What alert rules ask, run as the rules' owners.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "monitoring/alerting/rule.hpp"
#include "monitoring/pg/owner_scope.hpp"
#include "monitoring/pg/spi.hpp"
#include "rules/stored_rule.hpp"

namespace monitoring::rules {

/// The rows of the result, or why there are none.
struct QueryOutcome {
  std::vector<alerting::Sample> samples;
  std::optional<pg::OwnerFailure> failure;
};

/// The worker_name of a rule's issues.
std::string issue_worker(const std::string& rule_name);

/// One rule's query. Never throws for what the rule's owner did; a cancel of more than it is passed
/// on.
QueryOutcome run_rule_query(pg::Spi& spi, const StoredRule& rule, Instant now);
/// The same for somebody who wants to see how it does.
QueryOutcome try_rule_query(const StoredRule& rule, Instant now);

/// By the rule's id.
using SamplesByRule = std::map<std::int64_t, std::vector<alerting::Sample>>;

/// One query for rules that watch recorded metrics and differ in the metric and its tags alone: the
/// owner, the window and the timeout are those of the first. A rule is left out, to be run by
/// itself, if its result is beyond its limit; all are if the query fails, takes longer than a
/// second or gives more rows than are worth keeping.
SamplesByRule read_together(const std::vector<const StoredRule*>& rules, Instant now);

}  // namespace monitoring::rules
