#pragma once
// The levels above the hour. Private to the room; the promise is in
// include/monitoring/rollup/rollup.hpp.

#include "monitoring/base/clock.hpp"
#include "monitoring/pg/spi.hpp"

namespace monitoring::rollup {

/// A level of roll-up that is made of a finer one. Lengths are in hours, because an interval of a
/// day is 23 or 25 hours long where the session's time zone changes its offset.
struct Level {
  const char* name;
  const char* finer;
  const char* unit;     // of date_trunc
  const char* length;   // as an interval
  const char* coarser;  // nullptr at the top
  const char* coarser_unit;
};
extern const Level kDaily;
extern const Level kWeekly;

std::int64_t roll_up_level(pg::Spi& spi, const Level& level, Instant now);
std::int64_t pending_in_level(pg::Spi& spi, const Level& level, Instant now);

/// Removes the roll-ups of the periods that overlap [from, to), as if they had never been made.
void forget_level(pg::Spi& spi, const Level& level, Instant from, Instant to);

}  // namespace monitoring::rollup
