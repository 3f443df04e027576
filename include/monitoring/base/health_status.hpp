#pragma once
// How well something is: one word that people, JSON and HTTP status codes agree on.

#include <cstdint>
#include <string_view>

namespace monitoring {

/// In ascending order of trouble.
enum class HealthStatus : std::uint8_t { healthy, warning, critical };

/// "healthy", "warning" or "critical".
std::string_view status_text(HealthStatus status);

}  // namespace monitoring
