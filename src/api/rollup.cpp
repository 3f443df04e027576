// SQL entry points of the roll-ups (sql/install/rollup/rollup.sql).

#include "monitoring/rollup/rollup.hpp"

extern "C" {
#include <access/xact.h>
#include <utils/builtins.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>

#include "api/standby.hpp"
#include "api/transaction_time.hpp"

namespace monitoring {

namespace {

void refuse_on_standby(const char* function) {
  api::refuse_on_standby(function,
                         "Roll-ups are made on the primary and arrive here by replication.");
}

Datum int4_of(std::int64_t rows) {
  constexpr std::int64_t kMax = PG_INT32_MAX;
  return Int32GetDatum(static_cast<std::int32_t>(std::min(rows, kMax)));
}

std::optional<Instant> timestamp_argument(FunctionCallInfo fcinfo, int index) {
  if (PG_ARGISNULL(index)) return std::nullopt;
  return pg::instant_of(PG_GETARG_TIMESTAMPTZ(index));
}

}  // namespace

}  // namespace monitoring

using monitoring::api::transaction_time;
using namespace monitoring;  // NOLINT: this file is all entry points

MONITORING_FUNCTION(monitoring_aggregate_hourly) {
  refuse_on_standby("aggregate_hourly_metrics()");
  pg::Spi spi;
  return int4_of(rollup::roll_up_hours(spi, transaction_time(), true).rows_written);
}

MONITORING_FUNCTION(monitoring_aggregate_daily) {
  refuse_on_standby("aggregate_daily_metrics()");
  pg::Spi spi;
  return int4_of(rollup::roll_up_days(spi, transaction_time()));
}

MONITORING_FUNCTION(monitoring_aggregate_weekly) {
  refuse_on_standby("aggregate_weekly_metrics()");
  pg::Spi spi;
  return int4_of(rollup::roll_up_weeks(spi, transaction_time()));
}

MONITORING_FUNCTION(monitoring_rollup_advance) {
  refuse_on_standby("rollup_advance()");
  pg::Spi spi;
  return Int64GetDatum(rollup::roll_up_hours(spi, transaction_time(), false).rows_taken);
}

MONITORING_FUNCTION(monitoring_refresh_rollups) {
  refuse_on_standby("refresh_rollups()");
  const auto from = timestamp_argument(fcinfo, 0);
  const auto to = timestamp_argument(fcinfo, 1);
  if (!from || !to) {
    throw pg::Report(ERRCODE_NULL_VALUE_NOT_ALLOWED, "start_at and end_at must not be null");
  }
  pg::Spi spi;
  return int4_of(rollup::refresh_rollups(spi, *from, *to, transaction_time()));
}

MONITORING_FUNCTION(monitoring_rollup_rebaseline) {
  refuse_on_standby("rollup_rebaseline()");
  pg::Spi spi;
  rollup::rebaseline(spi, transaction_time());
  PG_RETURN_VOID();
}

MONITORING_FUNCTION(monitoring_pending_periods) {
  pg::Spi spi;
  const std::string period(text_to_cstring(PG_GETARG_TEXT_PP(0)));
  return Int64GetDatum(rollup::pending_periods(spi, period, transaction_time()));
}
