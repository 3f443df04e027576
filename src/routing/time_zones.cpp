#include "monitoring/pg/guard.hpp"

extern "C" {
#include <pgtime.h>
}
// clang-format keeps the server's headers first.
#include <string>

#include "monitoring/routing/time_zones.hpp"

namespace monitoring::routing {

std::optional<std::chrono::seconds> ServerTimeZones::offset_at(std::string_view zone,
                                                               Instant instant) const {
  const std::string name(zone);
  if (name.empty() || name.size() > TZ_STRLEN_MAX) return std::nullopt;
  const char* zone_name = name.c_str();
  const pg_time_t seconds =
      std::chrono::floor<std::chrono::seconds>(instant).time_since_epoch().count();
  // Zones are kept by the server once they have been read.
  const pg_tm* local = pg::call([&]() -> const pg_tm* {
    pg_tz* found = pg_tzset(zone_name);
    return found == nullptr ? nullptr : pg_localtime(&seconds, found);
  });
  if (local == nullptr) return std::nullopt;
  return std::chrono::seconds(local->tm_gmtoff);
}

}  // namespace monitoring::routing
