#pragma once
// Receivers that lost a notification and have taken none since: the alert NotificationFailed.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <vector>

#include "monitoring/alerting/state_machine.hpp"

namespace monitoring::rules {

/// rule_id of alerts that are the extension's own: no row of monitoring.alert_rules has it.
constexpr std::int64_t kOwnRule = 0;

/// An element for each enabled receiver whose issue `notification_dead` is open. Its labels stay as
/// they are until the receiver takes something again, which resolves the issue.
std::vector<alerting::Element> failed_receivers(pg::Spi& spi);

}  // namespace monitoring::rules
