#pragma once
// Dates of the proleptic Gregorian calendar, in UTC.

#include <cstdint>

namespace monitoring {

struct Date {
  std::int64_t year;
  int month;  ///< 1 to 12
  int day;    ///< 1 to 31
};

/// Rounds towards minus infinity; `by` is positive.
std::int64_t floor_divide(std::int64_t value, std::int64_t by);

/// Days from 1970-01-01.
std::int64_t days_of(const Date& date);
Date date_of(std::int64_t days);
int days_in_month(std::int64_t year, int month);
/// 0 is Sunday, as in cron and in Postgres' extract(dow).
int day_of_week(std::int64_t days);

}  // namespace monitoring
