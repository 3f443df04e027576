#pragma once
// SystemHealth: one alert for each part of health that is not healthy, told through routes, time
// intervals, inhibition and silences. It is told by the check of health itself and not by the
// evaluation of alerts, because that may be what is wrong.

#include "monitoring/health/health.hpp"

namespace monitoring::health {

/// Tells receivers what has begun, changed or ended since they were last told, and repeats what
/// goes on as the routes say.
void tell_health(pg::Spi& spi, const SystemHealth& health);

}  // namespace monitoring::health
