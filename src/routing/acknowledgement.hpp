#pragma once
// Receivers that keep incidents of their own learn that somebody took charge of a group.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <vector>

#include "monitoring/routing/routed_alerts.hpp"
#include "routing/decisions.hpp"

namespace monitoring::routing {

/// Who took charge of the firing alert with this fingerprint, and in which words.
notify::Acknowledgement acknowledgement_of(pg::Spi& spi, const std::string& fingerprint);

/// Tells the receivers of groups whose firing alerts are all acknowledged, where the kind takes an
/// acknowledgement, once for each notification that they got about the group. Call it when the log
/// is written.
void tell_acknowledged(pg::Spi& spi, const RoutingConfig& config,
                       const std::vector<StoredGroup>& groups, const RoutedAlerts& alerts,
                       Dispatch& dispatch);

}  // namespace monitoring::routing
