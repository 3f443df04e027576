#pragma once
// The evaluation of alert rules: monitoring.alert_rules and thresholds in, monitoring.alerts and
// alert_history out, in the caller's transaction. The state machine is the alerting room's.
// Statements need search_path to be pg_catalog.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "monitoring/alerting/rule.hpp"

namespace monitoring::rules {

struct StoredRule;

/// Why these rows of a rule's query could not become alerts, if anything: equal label sets, more
/// alerts than there may be. For whoever makes the rule; alerts that there are already do not
/// count.
std::optional<Error> error_of_rows(const StoredRule& stored,
                                   const std::vector<alerting::Sample>& samples, Instant now);

/// One pass over every enabled rule. Passes are serialised by a lock on
/// monitoring_internal.alert_progress until the transaction ends. Returns the number of changes of
/// state. Throws 22023 for a `now` before the last pass.
std::int64_t evaluate(pg::Spi& spi, Instant now);

/// A pass of the worker. It may take several transactions, so that rules that are slow keep neither
/// a snapshot nor the lock for longer than one of them takes.
struct DuePass {
  Instant at;
  /// The last pass, which the worker knows better than the table: where nothing changes, how far it
  /// has come is written once a minute, and nothing else.
  std::optional<Instant> since;
  /// Rules that are through.
  std::set<std::int64_t> evaluated;
  /// Rules that could not be read together with others.
  std::set<std::int64_t> alone;
  std::uint64_t written = 0;
};

enum class DuePassTurn {
  kDone,
  /// There are rules left, for another transaction.
  kMore,
  /// Another pass was made meanwhile, and had the rules in hand.
  kSuperseded,
  /// Another transaction has the rules in hand.
  kHeldUp,
};

/// Evaluates rules that have come due since the last pass until there are no more, or `enough` says
/// so after one of them; routes what has changed. How far it has come is written at the end only: a
/// pass that breaks off is made once more.
DuePassTurn evaluate_due(pg::Spi& spi, DuePass& pass, const std::function<bool()>& enough);

}  // namespace monitoring::rules
