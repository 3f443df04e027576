// SQL entry points of public.monitoring_events.

#include "monitoring/pg/arguments.hpp"

extern "C" {
#include <access/xact.h>
#include <catalog/pg_type.h>
#include <utils/fmgroids.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>

using namespace monitoring;

/// monitoring.log_event(event_type, details) -> uuid
MONITORING_FUNCTION(monitoring_log_event) {
  const std::string event_type = pg::required_text(fcinfo, 0, "event_type");
  const pg::Param id =
      pg::datum(UUIDOID, pg::call([] { return OidFunctionCall0(F_GEN_RANDOM_UUID); }));
  pg::Spi spi;
  spi.execute("INSERT INTO public.monitoring_events (id, event_type, details) VALUES ($1, $2, $3)",
              {id, pg::text(event_type), pg::argument(fcinfo, 1, JSONBOID)});
  return id.value;
}

/// public.purge_old_monitoring_events(retention_days) -> integer
MONITORING_FUNCTION(monitoring_purge_old_events) {
  if (PG_ARGISNULL(0) || PG_GETARG_INT32(0) < 0) {
    throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, PG_ARGISNULL(0)
                                                          ? "retention_days must not be null"
                                                          : "retention_days must not be negative")
        .hint("Give the number of days to keep; 0 removes every event older than now.");
  }
  // Longer than the calendar reaches back means that nothing is old enough.
  constexpr std::int64_t kLongestDays = 2'000'000;
  const std::int64_t days = std::min<std::int64_t>(PG_GETARG_INT32(0), kLongestDays);
  const TimestampTz cutoff = GetCurrentTransactionStartTimestamp() - days * USECS_PER_DAY;
  pg::Spi spi;
  const auto removed =
      spi.execute("DELETE FROM public.monitoring_events WHERE created_at OPERATOR(pg_catalog.<) $1",
                  {pg::datum(TIMESTAMPTZOID, TimestampTzGetDatum(cutoff))});
  PG_RETURN_INT32(static_cast<int32>(std::min<std::uint64_t>(removed, PG_INT32_MAX)));
}
