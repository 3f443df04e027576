#pragma once
// Arithmetic of instants that users and tables may have put anywhere. It ends at the edges instead
// of overflowing; the largest and the smallest Instant, which stand for Postgres' infinities, stay
// what they are.

#include "monitoring/base/clock.hpp"

namespace monitoring {

inline constexpr bool is_finite(Instant instant) {
  return instant != Instant::min() && instant != Instant::max();
}

/// `instant` + `by`.
inline constexpr Instant later(Instant instant, Duration by) {
  if (!is_finite(instant)) return instant;
  Duration::rep sum = 0;
  // A sum that fits may still be the number of an infinity.
  if (!__builtin_add_overflow(instant.time_since_epoch().count(), by.count(), &sum) &&
      is_finite(Instant(Duration(sum)))) {
    return Instant(Duration(sum));
  }
  constexpr Duration kUnit(1);
  return by.count() > 0 ? Instant::max() - kUnit : Instant::min() + kUnit;
}

/// `instant` - `by`.
inline constexpr Instant earlier(Instant instant, Duration by) {
  return later(instant, by == Duration::min() ? Duration::max() : -by);
}

/// `to` - `from`. From the one infinity to the other, or from either to a finite instant, it is the
/// longest or the shortest Duration.
inline constexpr Duration elapsed(Instant from, Instant to) {
  if (from == to) return Duration::zero();
  if (from == Instant::min() || to == Instant::max()) return Duration::max();
  if (from == Instant::max() || to == Instant::min()) return Duration::min();
  Duration::rep difference = 0;
  if (!__builtin_sub_overflow(to.time_since_epoch().count(), from.time_since_epoch().count(),
                              &difference)) {
    return Duration(difference);
  }
  return to > from ? Duration::max() : Duration::min();
}

}  // namespace monitoring
