#pragma once
// Escalation of firing alerts that nobody acknowledges, on rows of monitoring.alert_escalations.

#include "alert_dispatch.hpp"
#include "routed_alerts.hpp"

namespace monitoring::store {

/// Takes the steps that are due, and tells the receivers that were reached of resolutions. An
/// escalation has a group key of its own, which names the alert: resolving the one alert does not
/// close what the receiver knows of its group, and the other way round.
void escalate_alerts(pg::Spi& spi, const std::vector<notify::EscalationPolicy>& policies,
                     const RoutedAlerts& alerts, Dispatch& dispatch, Instant now);

}  // namespace monitoring::store
