#include "monitoring/base/run_grid.hpp"

#include <algorithm>

#include "monitoring/base/hash128.hpp"
#include "monitoring/base/instant_math.hpp"

namespace monitoring {

namespace {

constexpr Duration kLongest = std::chrono::hours(24) * 36525;

/// Number of the last point of the grid at or before the instant.
std::int64_t slot_of(Instant at, Duration shift, Duration every) {
  const Duration since = at.time_since_epoch() - shift;
  const std::int64_t slot = since / every;
  return since % every < Duration::zero() ? slot - 1 : slot;
}

/// What a table says may be anything: between a moment and a century nothing overflows, and there
/// is something to divide by.
Duration usable(Duration every) {
  return std::clamp<Duration>(every, std::chrono::milliseconds(1), kLongest);
}

}  // namespace

Duration wait_after(int failures, Duration every, Duration longest) {
  every = usable(every);
  Duration wait = every;
  for (int i = 0; i < failures && wait < longest; ++i) wait *= 2;
  return std::min(wait, std::max(every, longest));
}

NextRun next_run(std::string_view name, Instant due, Instant now, Duration every, int failures,
                 Duration longest_wait) {
  every = usable(every);
  due = std::clamp(due, earlier(now, kLongest), later(now, kLongest));
  const auto hash = static_cast<std::int64_t>(hash128(name).low >> 1);
  const Duration shift(hash % every.count());
  const std::int64_t slot = slot_of(now, shift, every);
  NextRun next{Instant((slot + 1) * every + shift)};
  next.missed = std::max<std::int64_t>(0, slot - slot_of(due, shift, every));
  if (failures == 0) return next;
  next.at = std::max(next.at, now + wait_after(failures, every, longest_wait));
  return next;
}

}  // namespace monitoring
