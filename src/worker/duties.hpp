#pragma once
// The duties of a database's worker: what it does and when. duty_runner.hpp runs them.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "monitoring/base/clock.hpp"

namespace monitoring::worker {

/// What a duty works with: a transaction of its own is open.
struct DutyContext {
  pg::Spi& spi;
  Instant now;
  /// Measurements, for the account of what monitoring costs.
  std::uint64_t rows_written = 0;
  /// Why the work was left for later, though nothing has failed. Health says it when it lasts.
  std::optional<std::string> held_up;
};

struct Duty {
  /// Shown in pg_stat_activity and as issue_type of a worker issue.
  std::string name;
  /// Its first run.
  Instant first_at{};
  /// The run after one at this time; asked anew each time, as settings change.
  std::function<Instant(Instant)> next_after;
  /// It is due at times of the day, and not some time after its last run.
  bool by_time_of_day = false;
  /// Whether it should run although its time has not come. Cheap: asked on every wake-up, outside
  /// of a transaction. May be empty.
  std::function<bool()> wanted;
  /// Whether there is nothing to do although its time has come: saves the transaction. As cheap as
  /// `wanted`; may be empty.
  std::function<bool()> pointless;
  /// The work. When it throws, the transaction is rolled back.
  std::function<void(DutyContext&)> run;
  /// Called in a transaction of its own after the work has failed. May be empty.
  std::function<void(DutyContext&, const std::string& error)> note_failure;
};

/// All duties, in the order in which those due at the same time run.
std::vector<Duty> make_duties(pg::Spi& spi);

/// The clock was set back by this (negative) step: what the tables hold of the future is to come
/// nearer.
void note_clock_step(Duration step);

}  // namespace monitoring::worker
