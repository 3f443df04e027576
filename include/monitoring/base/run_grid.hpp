#pragma once
// When something that runs every so often runs next. Runs lie on a grid that a name shifts, so that
// many with the same interval do not all run at once, and all start at the same times after a
// restart as before.

#include <cstdint>
#include <string_view>

#include "monitoring/base/clock.hpp"

namespace monitoring {

struct NextRun {
  Instant at;
  std::int64_t missed = 0;  ///< runs of the grid from `due` to `now`, besides the one made now
};

/// The time from a run to the next after so many failures in a row: each doubles it, up to
/// `longest` (or `every`, if that is longer).
Duration wait_after(int failures, Duration every, Duration longest);

/// The run after one at `now` that had been due at `due`; after failures, wait_after() later at the
/// soonest. `every` is positive.
NextRun next_run(std::string_view name, Instant due, Instant now, Duration every, int failures,
                 Duration longest_wait);

}  // namespace monitoring
