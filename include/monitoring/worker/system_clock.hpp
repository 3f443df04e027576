#pragma once
// The real clock. Only worker/ and api/ have one.

#include "monitoring/base/clock.hpp"

namespace monitoring::worker {

class SystemClock final : public Clock {
 public:
  Instant now() const override;
};

}  // namespace monitoring::worker
