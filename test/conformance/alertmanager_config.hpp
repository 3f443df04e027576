#pragma once
// As much of an alertmanager.yml as routing needs: routes, inhibition rules, receivers.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "monitoring/base/clock.hpp"
#include "monitoring/base/result.hpp"
#include "monitoring/dispatch/grouping.hpp"
#include "monitoring/dispatch/inhibition.hpp"
#include "monitoring/dispatch/route.hpp"

namespace monitoring::conformance {

/// One entry of a receiver's <kind>_configs.
struct ReceiverConfig {
  /// "webhook", "slack", ...
  std::string kind;
  dispatch::Integration integration;
  /// Of a webhook: how long an attempt may take.
  std::optional<Duration> timeout;
};

struct AlertmanagerConfig {
  std::vector<dispatch::RouteSpec> routes;
  std::vector<dispatch::InhibitRule> inhibit_rules;
  std::map<std::string, std::vector<ReceiverConfig>> receivers;
  Duration resolve_timeout = std::chrono::minutes(5);
};

/// "1ms", "30s", "1h30m", as Prometheus writes durations.
Result<Duration> parse_duration(const std::string& text);

Result<AlertmanagerConfig> parse_alertmanager_config(const std::string& yaml);

/// The routes of a bare route node. Ids count from 1 in depth-first order.
Result<std::vector<dispatch::RouteSpec>> parse_route_yaml(const std::string& yaml);

}  // namespace monitoring::conformance
