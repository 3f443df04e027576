#pragma once
// The alerts that a pass of routing is about, and what keeps their notifications back.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "monitoring/dispatch/matcher_index.hpp"
#include "monitoring/notify/notification.hpp"
#include "monitoring/routing/config.hpp"

namespace monitoring::routing {

struct RoutedAlert {
  notify::AlertView view;
  bool acknowledged = false;
  bool false_positive = false;
  /// A more severe level of its threshold fires.
  bool outranked = false;
  /// As the row says.
  bool was_silenced = false;
  bool was_inhibited = false;
  /// Why nobody is to be told, found by find_suppressions().
  std::optional<std::string> silenced;
  std::optional<std::string> inhibited;
  /// A group has it; one of its routes is not muted now; one of those has looked at its group now.
  bool is_routed = false;
  bool has_open_route = false;
  bool was_flushed = false;

  bool firing() const { return view.status == notify::AlertStatus::kFiring; }
};

/// By fingerprint.
using RoutedAlerts = std::map<std::string, RoutedAlert>;

/// Those that fire, and those that have resolved and that a group or an escalation still knows.
RoutedAlerts load_routed_alerts(pg::Spi& spi);

/// Takes back acknowledgements whose time is over.
void end_acknowledgements(pg::Spi& spi, Instant now);

/// Notes in silences that have ended which alerts they had kept back that still fire.
/// One that cannot be written is added to `unusable`.
void sum_up_ended_silences(pg::Spi& spi, Instant now, issues::UnusableObjects& unusable);

/// Ends until_resolved silences whose alerts have resolved, in the configuration and in the table.
void settle_stored_silences(pg::Spi& spi, RoutingConfig& config, const RoutedAlerts& alerts,
                            Instant now);

/// Why somebody would not be told of an alert with these labels, apart from times.
class Suppressions {
 public:
  Suppressions(const RoutingConfig& config, const RoutedAlerts& alerts, Instant now);

  std::optional<std::string> silenced(const Labels& labels) const;
  std::optional<std::string> inhibited(const Labels& labels) const;

 private:
  const RoutingConfig& config_;
  Instant now_;
  dispatch::Inhibitor inhibitor_;
  dispatch::MatcherIndex silences_;
};

/// Sets `silenced` and `inhibited` of all alerts, and the columns of those that fire.
void find_suppressions(pg::Spi& spi, const RoutingConfig& config, RoutedAlerts& alerts,
                       Instant now);

}  // namespace monitoring::routing
