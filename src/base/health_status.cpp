#include "monitoring/base/health_status.hpp"

namespace monitoring {

std::string_view status_text(HealthStatus status) {
  switch (status) {
    case HealthStatus::healthy:
      return "healthy";
    case HealthStatus::warning:
      return "warning";
    case HealthStatus::critical:
      return "critical";
  }
  return "critical";
}

}  // namespace monitoring
