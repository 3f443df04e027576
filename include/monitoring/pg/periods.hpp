#pragma once
// UTC hours and days in microseconds, as timestamptz counts them.

#include <cstdint>

namespace monitoring {

constexpr std::int64_t kHourUs = 3600LL * 1000 * 1000;
constexpr std::int64_t kDayUs = 24 * kHourUs;

/// The start of the UTC hour that an instant lies in. Postgres's epoch is a full hour, so buckets
/// do not depend on any time zone.
inline std::int64_t hour_of(std::int64_t timestamp) {
  const std::int64_t hours = timestamp / kHourUs;
  return (timestamp % kHourUs < 0 ? hours - 1 : hours) * kHourUs;
}

/// Whether it lies in the hour that begins there.
inline bool is_in_hour(std::int64_t timestamp, std::int64_t hour) {
  const auto since = static_cast<std::uint64_t>(timestamp) - static_cast<std::uint64_t>(hour);
  return since < static_cast<std::uint64_t>(kHourUs);
}

}  // namespace monitoring
