#pragma once
// Time intervals: recurring times during which a route is muted, or the only ones during which it
// is active. Forms and meaning are Alertmanager's (timeinterval).

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "monitoring/base/clock.hpp"
#include "monitoring/base/result.hpp"
#include "monitoring/dispatch/grouping.hpp"
#include "monitoring/dispatch/route.hpp"

namespace monitoring::dispatch {

/// Time zones, which this room has no database of.
class UtcOffsetProvider {
 public:
  virtual ~UtcOffsetProvider() = default;
  /// What a zone's clocks show more than UTC at that instant; nothing for an unknown zone.
  virtual std::optional<std::chrono::seconds> offset_at(std::string_view zone,
                                                        Instant instant) const = 0;
};

/// Both ends belong to it.
struct InclusiveRange {
  int begin = 0;
  int end = 0;
};

/// Minutes of the day; the end does not belong to it. 24:00 is 1440.
struct MinuteRange {
  int begin = 0;
  int end = 0;
};

/// An instant is inside if it is inside one range of every list that is not empty.
struct TimeInterval {
  std::vector<MinuteRange> times;
  /// 0 is Sunday.
  std::vector<InclusiveRange> weekdays;
  /// 1 to 31, or -1 to -31 counted from the end of the month; what the month lacks is no day.
  std::vector<InclusiveRange> days_of_month;
  /// 1 is January.
  std::vector<InclusiveRange> months;
  std::vector<InclusiveRange> years;
  /// An IANA name; empty is UTC.
  std::string location;
};

/// "09:00" as minutes of the day; "24:00" is allowed.
Result<int> parse_time_of_day(std::string_view text);
/// Start before end, on one day: "22:00" to "06:00" takes two ranges.
Result<MinuteRange> parse_time_range(std::string_view start, std::string_view end);
/// "saturday", "monday:friday".
Result<InclusiveRange> parse_weekdays(std::string_view text);
/// "1", "1:5", "-1", "-3:-1", "1:-1".
Result<InclusiveRange> parse_days_of_month(std::string_view text);
/// "1:3", "may:august", "december".
Result<InclusiveRange> parse_months(std::string_view text);
/// "2026", "2026:2028".
Result<InclusiveRange> parse_years(std::string_view text);

/// Reads the JSON form of Alertmanager's `time_intervals` of one name: an array of objects (or one
/// object) {"times": [{"start_time", "end_time"}], "weekdays": ["monday:friday"],
/// "days_of_month": [...], "months": [...], "years": [...], "location": "Europe/Berlin"}.
/// A location has to be one that `zones` knows. Errors name the element and field.
Result<std::vector<TimeInterval>> parse_time_intervals(std::string_view json,
                                                       const UtcOffsetProvider& zones);

/// Whether the instant is inside. Fails on a location that `zones` does not know.
Result<bool> contains(const TimeInterval& interval, Instant instant,
                      const UtcOffsetProvider& zones);

/// By name, as routes refer to them.
using TimeIntervals = std::map<std::string, std::vector<TimeInterval>>;

/// Whether the times of a route keep its notifications back at that instant, with the reason: for
/// FlushFilters::muted. Fails on a name or location that does not exist.
Result<std::optional<std::pair<Suppression, std::string>>> muted_by_time(
    const RouteOptions& options, const TimeIntervals& intervals, Instant instant,
    const UtcOffsetProvider& zones);

}  // namespace monitoring::dispatch
