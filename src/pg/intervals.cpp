#include "monitoring/pg/intervals.hpp"

extern "C" {
#include <catalog/pg_type.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>

namespace monitoring::pg {

std::optional<Duration> interval_at(const Rows& rows, std::uint64_t row, int column) {
  bool is_null = false;
  const Datum value = rows.raw(row, column, &is_null);
  if (rows.column_type(column) != INTERVALOID) {
    throw Report(ERRCODE_DATATYPE_MISMATCH,
                 "column \"" + rows.column_name(column) + "\" is no interval");
  }
  if (is_null) return std::nullopt;
  const Interval& interval = *DatumGetIntervalP(value);
  constexpr __int128 kYearUs = __int128{36525} * USECS_PER_DAY / 100;
  const __int128 us =
      kYearUs * (interval.month / MONTHS_PER_YEAR) +
      __int128{USECS_PER_DAY} * DAYS_PER_MONTH * (interval.month % MONTHS_PER_YEAR) +
      __int128{USECS_PER_DAY} * interval.day + interval.time;
  return Duration(static_cast<Duration::rep>(
      std::clamp<__int128>(us, Duration::min().count(), Duration::max().count())));
}

}  // namespace monitoring::pg
