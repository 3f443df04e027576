#pragma once
// When a cron schedule comes due: Vixie cron's five fields as pg_cron reads them, in UTC.

#include <bitset>
#include <optional>
#include <string_view>

#include "monitoring/base/clock.hpp"
#include "monitoring/base/result.hpp"

namespace monitoring {

/// "minute hour day-of-month month day-of-week": each a list of numbers, ranges and steps
/// ("*", "1-5", "*/10", "1,15", "0-30/5"); months and days of the week also by their English
/// three-letter names, Sunday is 0 and 7, "$" is the last day of the month. Where both day fields
/// are restricted, a day that fits either is due. "@hourly", "@daily", "@midnight", "@weekly",
/// "@monthly", "@yearly" and "@annually" are short forms; "[1-59] seconds" is pg_cron's.
class CronSchedule {
 public:
  static Result<CronSchedule> parse(std::string_view text);

  /// The first due time later than `instant`; nullopt if there is none ("0 0 30 2 *"). With
  /// seconds: that many seconds later.
  std::optional<Instant> next_after(Instant instant) const;

 private:
  bool fits_day(std::int64_t day) const;
  std::optional<int> next_minute_of_day(int from) const;

  std::optional<Duration> every_;  ///< "[1-59] seconds"; then nothing below counts
  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;    ///< 1 to 31
  std::bitset<13> months_;  ///< 1 to 12
  std::bitset<7> weekdays_;
  bool last_day_ = false;
  bool any_day_ = false;      ///< day-of-month starts with "*"
  bool any_weekday_ = false;  ///< day-of-week starts with "*"
};

}  // namespace monitoring
