#pragma once
// The configuration of routing as the notify room has it, from its tables.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "monitoring/dispatch/escalation.hpp"
#include "monitoring/dispatch/inhibition.hpp"
#include "monitoring/dispatch/route.hpp"
#include "monitoring/dispatch/silence.hpp"
#include "monitoring/dispatch/time_interval.hpp"
#include "monitoring/issues/unusable.hpp"

namespace monitoring::routing {

struct RoutingConfig {
  dispatch::RouteTree routes;
  std::vector<dispatch::InhibitRule> inhibit_rules;
  dispatch::TimeIntervals time_intervals;
  /// Those that have not ended at the time of loading, and the maintenance windows that are open.
  std::vector<dispatch::Silence> silences;
  std::vector<dispatch::EscalationPolicy> policies;
};

/// Reads and checks all of it; silences that end by `now` are left out. Rows that cannot be used
/// are left out, too, and added to `unusable`. Where that is null the first one is an error: 22023,
/// naming the row and what is wrong with it.
RoutingConfig load_routing(pg::Spi& spi, std::optional<Instant> now,
                           issues::UnusableObjects* unusable);

/// Whom alerts go to that end at a route; nothing where that is nobody.
std::optional<std::string> receiver_of(const dispatch::RouteOptions& options);

/// A JSON array of texts, made by the server from a text[]. Errors, which begin with `what`: 22004
/// where an element is NULL, 2202E where there are several dimensions: what is left out of a list
/// of matchers makes it match more.
std::vector<std::string> text_list(const std::string& json, const std::string& what = "the list");

}  // namespace monitoring::routing
