#pragma once
// Intervals of tables as durations.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <optional>

namespace monitoring::pg {

/// Longer than anything that is watched, and far from where the arithmetic of times ends.
inline constexpr Duration kLongestInterval = std::chrono::hours(24) * 36525;

/// A column of type interval; none for NULL. Counted as extract(epoch) does it, a month as 30 days
/// and a year as 365.25, but never an error: what is longer than a Duration is the longest one.
std::optional<Duration> interval_at(const Rows& rows, std::uint64_t row, int column);

}  // namespace monitoring::pg
