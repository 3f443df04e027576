#include "monitoring/routing/route_explanation.hpp"
#include "monitoring/base/labels_json.hpp"

#include <utility>

#include "monitoring/routing/config.hpp"
#include "monitoring/routing/routed_alerts.hpp"
#include "monitoring/routing/time_zones.hpp"
#include "routing/decisions.hpp"

namespace monitoring::routing {

namespace {

/// What stands between a route and its receiver now.
std::string hindrance(const dispatch::Route& route, const RoutingConfig& config,
                      const Dispatch& receivers, Instant now) {
  const auto receiver = receiver_of(route.options);
  if (!receiver) return "; nobody is told: the root has no receiver";
  if (receivers.find(*receiver) == nullptr) {
    return "; nobody is told: there is no receiver \"" + *receiver + "\"";
  }
  if (!receivers.find(*receiver)->enabled) return "; not now: the receiver is disabled";
  const auto muted =
      dispatch::muted_by_time(route.options, config.time_intervals, now, ServerTimeZones());
  if (!muted) return "; " + muted.error().message + ", so it is told at all times";
  return *muted ? "; not now: " + (*muted)->second : "";
}

std::string suppression(const Suppressions& suppressions, const Labels& labels) {
  if (const auto reason = suppressions.inhibited(labels)) return "; not now: " + *reason;
  if (const auto reason = suppressions.silenced(labels)) return "; not now: " + *reason;
  return "";
}

}  // namespace

std::vector<ExplainedRoute> explain_routes(pg::Spi& spi, const std::string& labels_json,
                                           Instant now) {
  const Labels labels = labels_of_stored(labels_json);
  // The passes name what they cannot use; here it only must not be in the way.
  issues::UnusableObjects unusable("", "");
  const RoutingConfig config = load_routing(spi, now, &unusable);
  const Dispatch receivers(spi, now, unusable, false);
  const Suppressions suppressions(config, load_routed_alerts(spi), now);
  const std::string suppressed = suppression(suppressions, labels);
  std::vector<ExplainedRoute> rows;
  for (const dispatch::RouteExplanation& explained : config.routes.explain(labels)) {
    ExplainedRoute row;
    row.route_id = explained.route->id;
    row.path = explained.route->path;
    row.reason = explained.reason;
    if (explained.receives) {
      row.receiver = receiver_of(explained.route->options);
      row.group_key = explained.group_key;
      row.reason += hindrance(*explained.route, config, receivers, now) + suppressed;
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

void check_routing(pg::Spi& spi) {
  load_routing(spi, std::nullopt, nullptr);
}

}  // namespace monitoring::routing
