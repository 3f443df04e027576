#pragma once
// The server's time zones for the time intervals of routes.

#include "monitoring/dispatch/time_interval.hpp"

namespace monitoring::routing {

class ServerTimeZones final : public dispatch::UtcOffsetProvider {
 public:
  std::optional<std::chrono::seconds> offset_at(std::string_view zone,
                                                Instant instant) const override;
};

}  // namespace monitoring::routing
