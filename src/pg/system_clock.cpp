#include "monitoring/pg/system_clock.hpp"

#include "monitoring/pg/spi.hpp"

extern "C" {
#include <utils/timestamp.h>
}

namespace monitoring::pg {

Instant SystemClock::now() const {
  return pg::instant_of(GetCurrentTimestamp());
}

Instant SteadyClock::now() const {
  const auto since_boot = std::chrono::steady_clock::now().time_since_epoch();
  return Instant(std::chrono::duration_cast<Duration>(since_boot));
}

Duration ClockSteps::back_since_last_look(Instant wall, Instant steady) {
  const Duration step = (wall - wall_) - (steady - steady_);
  const bool is_first = steady_ == Instant{};
  wall_ = wall;
  steady_ = steady;
  return !is_first && step < -kSmallestStep ? step : Duration::zero();
}

}  // namespace monitoring::pg
