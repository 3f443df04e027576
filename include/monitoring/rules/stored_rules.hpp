#pragma once
// monitoring.alert_rules: what may stand there, and the check of a rule that is about to be used.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <cstdint>
#include <string>

#include "monitoring/base/labels.hpp"

namespace monitoring::rules {

/// Throws what is wrong with a rule's name, labels and annotations: 42710 for a label that the rule
/// sets itself, 22023 for all else, with the position in the template.
void check_definition(const std::string& rule_name, const Labels& labels,
                      const Labels& annotations);

/// Runs a rule once, read-only and as its owner, and throws what is wrong with it.
void check_by_running(pg::Spi& spi, std::int64_t rule_id, Instant now);

}  // namespace monitoring::rules
