#pragma once
// Escalation of firing alerts that nobody acknowledges, on rows of monitoring.alert_escalations.

#include "monitoring/routing/routed_alerts.hpp"
#include "routing/decisions.hpp"

namespace monitoring::routing {

/// Takes the steps that are due, and tells the receivers that were reached of resolutions. An
/// escalation has a group key of its own, which names the alert: resolving the one alert does not
/// close what the receiver knows of its group, and the other way round.
void escalate_alerts(pg::Spi& spi, const std::vector<dispatch::EscalationPolicy>& policies,
                     const RoutedAlerts& alerts, Dispatch& dispatch, Instant now);

}  // namespace monitoring::routing
