#pragma once
// Roll-ups: hourly from raw rows, daily from hours, weekly from days. See src/rollup/README.md.

#include <cstdint>
#include <optional>

#include "monitoring/base/clock.hpp"
#include "monitoring/pg/spi.hpp"

namespace monitoring::rollup {

/// Takes new measurements into the state of their hours. With publish, also writes the rows of
/// aggregated_metrics for every closed hour with something new, hours that end at or before `now`.
struct HourlyResult {
  std::int64_t rows_taken = 0;
  std::int64_t rows_written = 0;
};
HourlyResult roll_up_hours(pg::Spi& spi, Instant now, bool publish);

/// Rolls up closed days from hours (closed weeks from days), and merges what came late for those
/// rolled up already. Returns the rows of aggregated_metrics written.
std::int64_t roll_up_days(pg::Spi& spi, Instant now);
std::int64_t roll_up_weeks(pg::Spi& spi, Instant now);

/// Computes the closed hours that begin in [from, to) again from raw rows, and the days and weeks
/// above them. Throws 55000 where raw rows were removed, 22023 for an empty or endless range.
std::int64_t refresh_rollups(pg::Spi& spi, Instant from, Instant to, Instant now);

/// After a restore: rows of rolled-up hours count as seen, hours that are not are computed anew.
void rebaseline(pg::Spi& spi, Instant now);

/// Closed periods ('hourly', 'daily', 'weekly') with data that is not rolled up.
std::int64_t pending_periods(pg::Spi& spi, const std::string& period, Instant now);

}  // namespace monitoring::rollup
