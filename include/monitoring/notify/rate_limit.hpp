#pragma once
// How often a receiver may be sent a request: a token bucket whose whole state is one instant, the
// one at which it is full again (the generic cell rate algorithm).

#include <cstdint>
#include <optional>
#include <string_view>

#include "monitoring/base/clock.hpp"
#include "monitoring/base/json.hpp"
#include "monitoring/base/result.hpp"

namespace monitoring::notify {

struct RateLimit {
  /// A request's worth of time.
  Duration interval{};
  /// Requests that may follow each other at once after a quiet time.
  std::uint32_t burst = 1;
};

/// Reads {"per_second" | "per_minute" | "per_hour": number, "burst": integer}, burst being 1 if it
/// is missing. At least one request a day, at most a million a second or in a burst.
Result<RateLimit> parse_rate_limit(const Json& value);

/// What holds for a receiver of that kind whose setting `rate_limit` has this value (null where it
/// has none): false is no limit; null, and what does not parse, is the kind's own limit.
std::optional<RateLimit> rate_limit_of(std::string_view kind, const Json& setting);

/// How many requests may be made at `now`.
std::uint32_t requests_allowed(const RateLimit& limit, Instant full_at, Instant now);

/// The bucket's new state after so many requests at `now`.
Instant full_after(const RateLimit& limit, Instant full_at, std::uint32_t requests, Instant now);

/// When the next request may be made; not after `now` if it may be made now.
Instant next_request_at(const RateLimit& limit, Instant full_at);

}  // namespace monitoring::notify
