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

/// The run after one at `now` that had been due at `due`. Each failure in a row doubles the wait,
/// up to `longest_wait` (or `every`, if that is longer). `every` is positive.
NextRun next_run(std::string_view name, Instant due, Instant now, Duration every, int failures,
                 Duration longest_wait);

}  // namespace monitoring
