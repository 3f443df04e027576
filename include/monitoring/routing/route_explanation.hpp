#pragma once
// What routing would do with an alert, in words; and whether its configuration holds together.
// For functions with search_path "pg_catalog, pg_temp".

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <optional>
#include <string>
#include <vector>

#include "monitoring/base/labels.hpp"

namespace monitoring::routing {

/// One route of the tree.
struct ExplainedRoute {
  /// Missing where the alert does not end at the route, or would be told to nobody.
  std::optional<std::string> receiver;
  std::int64_t route_id = 0;
  std::string path;
  std::optional<std::string> group_key;
  /// Why, or why not; for routes that receive it also what would keep it back at `now`.
  std::string reason;
};

/// One row for every route, depth first.
std::vector<ExplainedRoute> explain_routes(pg::Spi& spi, const std::string& labels_json,
                                           Instant now);

/// Errors: 22023, naming the row of routes, inhibit_rules, time_intervals, silences or escalations
/// that cannot be used, and what is wrong with it.
void check_routing(pg::Spi& spi);

}  // namespace monitoring::routing
