#pragma once
// The evaluation of alert rules: monitoring.alert_rules and thresholds in, monitoring.alerts and
// alert_history out, in the caller's transaction. The state machine is the alerting room's.
// Statements need search_path to be pg_catalog.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <cstdint>
#include <optional>

namespace monitoring::store {

/// One pass over every enabled rule. Passes are serialised by a lock on monitoring.alert_progress
/// until the transaction ends. Returns the number of changes of state. Throws 22023 for a `now`
/// before the last pass.
std::int64_t evaluate(pg::Spi& spi, Instant now);

/// The worker's pass, over the rules that have come due since its last one at `last`, which the
/// worker knows better than the table: where nothing changes, how far it has come is written once a
/// minute, and nothing else. Nothing: another pass is under way, and has the rules in hand.
std::optional<std::int64_t> evaluate_due(pg::Spi& spi, Instant now, std::optional<Instant> last);

}  // namespace monitoring::store
