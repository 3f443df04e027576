#pragma once
// Instants as text in the form of RFC 3339, as Go's time.RFC3339Nano writes it: UTC with "Z", the
// fraction without trailing zeros ("2026-01-02T03:04:05.6Z").

#include <optional>
#include <string>
#include <string_view>

#include "monitoring/base/clock.hpp"

namespace monitoring {

/// Years 0000 to 9999; instants beyond are shown as the nearest second of that range.
std::string rfc3339(Instant instant);

/// Reads a date-time with "Z" or a numeric offset; digits beyond microseconds are dropped. Nothing
/// where the text is no such date-time.
std::optional<Instant> parse_rfc3339(std::string_view text);

/// What Go writes for its zero time; Alertmanager's "has not ended".
constexpr std::string_view kZeroTimeText = "0001-01-01T00:00:00Z";

}  // namespace monitoring
