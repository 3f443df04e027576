#include "monitoring/dispatch/time_interval.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace monitoring::dispatch {

namespace {

constexpr std::array<std::string_view, 7> kWeekdays = {"sunday",   "monday", "tuesday", "wednesday",
                                                       "thursday", "friday", "saturday"};
constexpr std::array<std::string_view, 12> kMonths = {
    "january", "february", "march",     "april",   "may",      "june",
    "july",    "august",   "september", "october", "november", "december"};

std::string quoted(std::string_view text) {
  return '"' + std::string(text) + '"';
}

/// As Go's strconv.Atoi: a sign may lead.
std::optional<int> parse_number(std::string_view text) {
  int value = 0;
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

template <std::size_t N>
std::optional<int> index_of(const std::array<std::string_view, N>& names, std::string_view text) {
  const auto at = std::find(names.begin(), names.end(), text);
  if (at == names.end()) return std::nullopt;
  return static_cast<int>(at - names.begin());
}

std::optional<int> parse_weekday(std::string_view text) {
  return index_of(kWeekdays, text);
}

std::optional<int> parse_month(std::string_view text) {
  if (const auto index = index_of(kMonths, text)) return *index + 1;
  const auto number = parse_number(text);
  if (!number || *number < 1 || *number > 12) return std::nullopt;
  return number;
}

std::string in_lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return lower;
}

/// "begin:end" or "both", each read by `member`. Names are taken in any case.
Result<InclusiveRange> parse_range(std::string_view given,
                                   std::optional<int> (*member)(std::string_view),
                                   const char* what) {
  const std::string lower = in_lower_case(given);
  const std::string_view text = lower;
  const std::size_t colon = text.find(':');
  const std::string_view first = text.substr(0, colon);
  const std::string_view last = colon == text.npos ? first : text.substr(colon + 1);
  const auto begin = member(first);
  if (!begin) return Error::at(0, quoted(first) + " is not a valid " + what);
  const auto end = member(last);
  if (!end) {
    return Error::at(colon == text.npos ? 0 : colon + 1, quoted(last) + " is not a valid " + what);
  }
  return InclusiveRange{*begin, *end};
}

Result<InclusiveRange> ascending(Result<InclusiveRange> range, std::string_view text,
                                 const char* what) {
  if (!range || range->begin <= range->end) return range;
  return Error::at(0,
                   std::string("end ") + what + " is before start " + what + ": " + quoted(text));
}

bool is_day_of_month(int day) {
  return day != 0 && day >= -31 && day <= 31;
}

/// A calendar day and time as a zone's clocks show it.
struct LocalTime {
  int minute_of_day = 0;
  int weekday = 0;
  int day = 0;
  int days_in_month = 0;
  int month = 0;
  int year = 0;
};

bool is_leap(int year) {
  return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

int month_length(int year, int month) {
  constexpr std::array<int, 12> kLengths = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (month == 2 && is_leap(year)) return 29;
  return kLengths[static_cast<std::size_t>(month - 1)];
}

/// The Gregorian date of a day counted from 1970-01-01 (Howard Hinnant, civil_from_days).
void set_date(LocalTime& local, std::int64_t days_since_epoch) {
  const std::int64_t shifted = days_since_epoch + 719468;
  const std::int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
  const std::int64_t day_of_era = shifted - era * 146097;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const std::int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t shifted_month = (5 * day_of_year + 2) / 153;
  local.day = static_cast<int>(day_of_year - (153 * shifted_month + 2) / 5 + 1);
  local.month = static_cast<int>(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
  local.year = static_cast<int>(year_of_era + era * 400 + (local.month <= 2 ? 1 : 0));
  local.days_in_month = month_length(local.year, local.month);
}

LocalTime local_time(Instant instant, std::chrono::seconds offset) {
  constexpr std::int64_t kDay = 24LL * 60 * 60;
  const std::int64_t seconds =
      std::chrono::floor<std::chrono::seconds>(instant + offset).time_since_epoch().count();
  const std::int64_t days = (seconds >= 0 ? seconds : seconds - kDay + 1) / kDay;
  LocalTime local;
  local.minute_of_day = static_cast<int>((seconds - days * kDay) / 60);
  local.weekday = static_cast<int>(((days + 4) % 7 + 7) % 7);  // 1970-01-01 was a Thursday
  set_date(local, days);
  return local;
}

bool in_ranges(const std::vector<InclusiveRange>& ranges, int value) {
  return ranges.empty() ||
         std::any_of(ranges.begin(), ranges.end(), [value](const InclusiveRange& range) {
           return range.begin <= value && value <= range.end;
         });
}

bool in_times(const std::vector<MinuteRange>& ranges, int minute) {
  return ranges.empty() ||
         std::any_of(ranges.begin(), ranges.end(), [minute](const MinuteRange& range) {
           return range.begin <= minute && minute < range.end;
         });
}

bool in_days_of_month(const std::vector<InclusiveRange>& ranges, const LocalTime& local) {
  const int length = local.days_in_month;
  const auto from_start = [length](int day) { return day < 0 ? length + day + 1 : day; };
  return ranges.empty() ||
         std::any_of(ranges.begin(), ranges.end(), [&](const InclusiveRange& range) {
           return from_start(range.begin) <= local.day && local.day <= from_start(range.end);
         });
}

/// The first of the named intervals that holds the instant, or "".
Result<std::string> first_containing(const std::vector<std::string>& names,
                                     const TimeIntervals& intervals, Instant instant,
                                     const UtcOffsetProvider& zones) {
  for (const std::string& name : names) {
    const auto at = intervals.find(name);
    if (at == intervals.end()) {
      return Error::of("time interval " + quoted(name) + " does not exist");
    }
    for (const TimeInterval& interval : at->second) {
      const auto inside = contains(interval, instant, zones);
      if (!inside) return inside.error();
      if (*inside) return name;
    }
  }
  return std::string();
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

}  // namespace

Result<int> parse_time_of_day(std::string_view text) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const bool shaped = text.size() == 5 && text[2] == ':' && digit(text[0]) && digit(text[1]) &&
                      digit(text[3]) && digit(text[4]);
  const int minutes =
      shaped ? ((text[0] - '0') * 10 + text[1] - '0') * 60 + (text[3] - '0') * 10 + text[4] - '0'
             : -1;
  if (!shaped || text[3] > '5' || minutes > 24 * 60) {
    return Error::at(0, "couldn't parse timestamp " + quoted(text) + ", invalid format",
                     "Times are written HH:MM, from 00:00 to 24:00.");
  }
  return minutes;
}

Result<MinuteRange> parse_time_range(std::string_view start, std::string_view end) {
  const auto begin_minute = parse_time_of_day(start);
  if (!begin_minute) return begin_minute.error();
  const auto end_minute = parse_time_of_day(end);
  if (!end_minute) return end_minute.error();
  if (*begin_minute >= *end_minute) {
    return Error::of("start time cannot be equal or greater than end time",
                     "A range over midnight takes two: 22:00 to 24:00 and 00:00 to 06:00.");
  }
  return MinuteRange{*begin_minute, *end_minute};
}

Result<InclusiveRange> parse_weekdays(std::string_view text) {
  return ascending(parse_range(text, parse_weekday, "weekday"), text, "day");
}

Result<InclusiveRange> parse_days_of_month(std::string_view text) {
  const auto range = parse_range(text, parse_number, "day of the month");
  if (!range) return range;
  for (const int day : {range->begin, range->end}) {
    if (is_day_of_month(day)) continue;
    return Error::at(0, std::to_string(day) + " is not a valid day of the month: out of range");
  }
  if (range->begin < 0 && range->end > 0) {
    return Error::at(0, "end day must be negative if start day is negative");
  }
  // February's length tells ranges apart that are empty in every month.
  const auto in_february = [](int day) { return day < 0 ? 28 + day : day; };
  if (in_february(range->begin) > in_february(range->end)) {
    return Error::at(0, "end day " + std::to_string(range->end) + " is always before start day " +
                            std::to_string(range->begin));
  }
  return range;
}

Result<InclusiveRange> parse_months(std::string_view text) {
  return ascending(parse_range(text, parse_month, "month"), text, "month");
}

Result<InclusiveRange> parse_years(std::string_view text) {
  return ascending(parse_range(text, parse_number, "year"), text, "year");
}

Result<bool> contains(const TimeInterval& interval, Instant instant,
                      const UtcOffsetProvider& zones) {
  std::chrono::seconds offset{};
  if (!interval.location.empty()) {
    const auto known = zones.offset_at(interval.location, instant);
    if (!known) return Error::of("unknown time zone " + quoted(interval.location));
    offset = *known;
  }
  const LocalTime local = local_time(instant, offset);
  return in_times(interval.times, local.minute_of_day) &&
         in_days_of_month(interval.days_of_month, local) &&
         in_ranges(interval.months, local.month) && in_ranges(interval.weekdays, local.weekday) &&
         in_ranges(interval.years, local.year);
}

Result<std::optional<std::pair<Suppression, std::string>>> muted_by_time(
    const RouteOptions& options, const TimeIntervals& intervals, Instant instant,
    const UtcOffsetProvider& zones) {
  using Answer = std::optional<std::pair<Suppression, std::string>>;
  if (!options.active_time_intervals.empty()) {
    const auto active = first_containing(options.active_time_intervals, intervals, instant, zones);
    if (!active) return active.error();
    if (active->empty()) {
      return Answer({Suppression::kOutsideActiveTime,
                     "outside of the active times " + joined(options.active_time_intervals)});
    }
  }
  const auto muted = first_containing(options.mute_time_intervals, intervals, instant, zones);
  if (!muted) return muted.error();
  if (muted->empty()) return Answer();
  return Answer({Suppression::kMuteTime, "inside the mute time " + *muted});
}

}  // namespace monitoring::dispatch
