#pragma once
// What several receivers say alike: title, severity, lists of labels, times.

#include <string>
#include <string_view>
#include <vector>

#include "monitoring/base/clock.hpp"
#include "monitoring/notify/notification.hpp"

namespace monitoring::notify {

/// PagerDuty's four levels; document names such as P0 to P3 map onto them.
enum class Severity { kCritical, kError, kWarning, kInfo };

/// The level that a severity label's value means: critical (also P0, page, fatal, emergency), error
/// (P1, high, major), warning (P2, warn, medium, minor), info (P3, low, notice, ok, none, debug),
/// in any case. Anything else counts as error, which is what Alertmanager takes for PagerDuty.
Severity severity_of(std::string_view label_value);

/// The worst of the firing alerts; of all alerts where none fires.
Severity severity_of(const Notification& notification);

/// "critical", "error", "warning" or "info".
std::string_view severity_text(Severity severity);

/// Alertmanager's default title (template __subject):
///   [FIRING:2] HighCPU prod (warning devops)
/// status, values of the group labels with the alert's name first, and in parentheses the other
/// common labels' values.
std::string title_of(const Notification& notification);

/// "alertname", or the first group label's value, or "Alert": the shortest name of an alert.
std::string name_of(const AlertView& alert);

/// Alertmanager's text list (template __text_alert_list) of the alerts with that status.
std::string alert_list(const Notification& notification, AlertStatus status);

/// The common annotation of that name if it is an http or https URL, else "".
std::string annotation_url(const Notification& notification, std::string_view name);

struct Link {
  std::string href;
  std::string text;
};

/// The runbooks and dashboards that annotations name (runbook_url, runbook, dashboard_url,
/// dashboard), each once. One that is not common to all alerts says whose it is.
std::vector<Link> links_of(const Notification& notification);

/// When the first of the firing alerts (of all, where none fires) began; `otherwise` without
/// alerts.
Instant began_at(const Notification& notification, Instant otherwise);

/// Identifies the group among those of all databases: what receivers know it by. 64 hex digits; for
/// an empty origin those that Alertmanager computes.
std::string group_id(const Notification& notification);

/// Identifies this notification among all: 64 hex digits that depend on receiver, group, status,
/// alerts and time only.
std::string notification_id(const Notification& notification, Instant now);

}  // namespace monitoring::notify
