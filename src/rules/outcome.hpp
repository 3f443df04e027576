#pragma once
// What the rows of a rule's query become, before the state machine sees them.

#include <vector>

#include "monitoring/alerting/rule.hpp"
#include "rules/stored_rule.hpp"

namespace monitoring::rules {

/// Made within the time that is left of the rule's; an error where rows make no alerts.
alerting::Outcome outcome_of_rows(const StoredRule& stored, const alerting::Rule& rule,
                                  const std::vector<alerting::Sample>& samples,
                                  const std::vector<alerting::Instance>& previous,
                                  Duration time_left, Instant now);

}  // namespace monitoring::rules
