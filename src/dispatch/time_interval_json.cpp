// The JSON form of time intervals.

#include <algorithm>
#include <array>

#include "monitoring/base/json.hpp"
#include "monitoring/dispatch/time_interval.hpp"

namespace monitoring::dispatch {

namespace {

constexpr std::size_t kMaxBytes = 64UL * 1024;

/// Nesting of brackets, counted before the parser sees the text: it recurses. Brackets within
/// strings count as well, which only makes the limit stricter.
bool too_deep(std::string_view text) {
  constexpr int kMaxDepth = 16;
  int depth = 0;
  for (const char c : text) {
    if (c == '[' || c == '{') ++depth;
    if (c == ']' || c == '}') --depth;
    if (depth > kMaxDepth) return true;
  }
  return false;
}

Error in_field(const std::string& field, const Error& error) {
  return Error::of(field + ": " + error.message, error.hint);
}

using RangeParser = Result<InclusiveRange> (*)(std::string_view);

/// Reads a list of texts into ranges. Numbers are taken as their text: {"years": [2026]}.
std::optional<Error> read_ranges(const Json& interval, const char* field, RangeParser parse,
                                 std::vector<InclusiveRange>& ranges) {
  if (!interval.contains(field)) return std::nullopt;
  const Json& list = interval[field];
  if (!list.is_array()) return Error::of(std::string(field) + ": a list is wanted");
  for (const Json& item : list.elements()) {
    if (!item.is_string() && !item.is_integer()) {
      return Error::of(std::string(field) + ": texts are wanted");
    }
    const auto range = parse(item.is_string() ? item.string() : item.dump());
    if (!range) return in_field(field, range.error());
    ranges.push_back(*range);
  }
  return std::nullopt;
}

std::optional<Error> read_times(const Json& interval, std::vector<MinuteRange>& ranges) {
  if (!interval.contains("times")) return std::nullopt;
  const Json& list = interval["times"];
  if (!list.is_array()) return Error::of("times: a list is wanted");
  const auto text = [](const Json& item, const char* name) {
    const bool given = item.is_object() && item.contains(name) && item[name].is_string();
    return given ? item[name].string() : std::string();
  };
  for (const Json& item : list.elements()) {
    const std::string start = text(item, "start_time");
    const std::string end = text(item, "end_time");
    if (start.empty() || end.empty()) {
      return Error::of("times: both start_time and end_time must be provided");
    }
    const auto range = parse_time_range(start, end);
    if (!range) return in_field("times", range.error());
    ranges.push_back(*range);
  }
  return std::nullopt;
}

/// Zones of the IANA database whose names have digits. All others with digits are formulas in the
/// manner of POSIX ("UTC+2"), which time zone libraries read with the sign turned round.
bool is_zone_with_digits(std::string_view zone) {
  constexpr std::array<std::string_view, 7> kNames = {"GMT0",    "GMT+0",   "GMT-0",  "EST5EDT",
                                                      "CST6CDT", "MST7MDT", "PST8PDT"};
  constexpr std::string_view kFolder = "Etc/";
  const bool in_folder = zone.substr(0, kFolder.size()) == kFolder;
  const std::string_view name = in_folder ? zone.substr(kFolder.size()) : zone;
  if (std::find(kNames.begin(), kNames.end(), name) != kNames.end()) {
    return !in_folder || name.substr(0, 3) == "GMT";
  }
  // Etc/GMT+12 to Etc/GMT-14.
  if (!in_folder || name.size() < 5 || name.size() > 6 || name.substr(0, 3) != "GMT") return false;
  const bool west = name[3] == '+';
  if (!west && name[3] != '-') return false;
  int hours = 0;
  for (const char c : name.substr(4)) {
    if (c < '0' || c > '9') return false;
    hours = hours * 10 + (c - '0');
  }
  return name[4] != '0' && hours <= (west ? 12 : 14);
}

bool is_zone_name(std::string_view zone) {
  constexpr std::string_view kPosixFolder = "posix/";
  if (zone.find_first_of("0123456789") == zone.npos) return true;
  if (zone.substr(0, kPosixFolder.size()) == kPosixFolder) zone.remove_prefix(kPosixFolder.size());
  return is_zone_with_digits(zone);
}

std::optional<Error> read_location(const Json& interval, const UtcOffsetProvider& zones,
                                   std::string& location) {
  if (!interval.contains("location")) return std::nullopt;
  if (!interval["location"].is_string()) return Error::of("location: a text is wanted");
  location = interval["location"].string();
  const bool is_known = is_zone_name(location) && zones.offset_at(location, Instant{});
  if (location.empty() || is_known) return std::nullopt;
  return Error::of("location: unknown time zone \"" + location + "\"",
                   "Time zones are named as in pg_timezone_names, for example Europe/Berlin.");
}

std::optional<Error> check_fields(const Json& interval) {
  if (!interval.is_object()) return Error::of("an object is wanted");
  constexpr std::array<std::string_view, 6> kFields = {"times",  "weekdays", "days_of_month",
                                                       "months", "years",    "location"};
  for (const Json::Member& field : interval.members()) {
    if (std::find(kFields.begin(), kFields.end(), field.name) == kFields.end()) {
      return Error::of("unknown field \"" + field.name + "\"");
    }
  }
  return std::nullopt;
}

Result<TimeInterval> read_interval(const Json& source, const UtcOffsetProvider& zones) {
  TimeInterval interval;
  if (auto error = check_fields(source)) return *error;
  if (auto error = read_times(source, interval.times)) return *error;
  const auto read = [&source](const char* field, RangeParser parse,
                              std::vector<InclusiveRange>& ranges) {
    return read_ranges(source, field, parse, ranges);
  };
  if (auto error = read("weekdays", parse_weekdays, interval.weekdays)) return *error;
  if (auto error = read("days_of_month", parse_days_of_month, interval.days_of_month)) {
    return *error;
  }
  if (auto error = read("months", parse_months, interval.months)) return *error;
  if (auto error = read("years", parse_years, interval.years)) return *error;
  if (auto error = read_location(source, zones, interval.location)) return *error;
  return interval;
}

}  // namespace

Result<std::vector<TimeInterval>> parse_time_intervals(std::string_view text,
                                                       const UtcOffsetProvider& zones) {
  if (text.size() > kMaxBytes) return Error::of("time intervals are longer than 64 kB");
  if (too_deep(text)) return Error::of("time intervals are nested too deeply");
  auto parsed = Json::parse(text);
  if (!parsed) return Error::of("time intervals are not valid JSON");
  Json list = std::move(parsed).value();
  if (list.is_object()) list = Json::array({std::move(list)});
  if (!list.is_array()) return Error::of("time intervals: a list of objects is wanted");
  std::vector<TimeInterval> intervals;
  for (const Json& source : list.elements()) {
    auto interval = read_interval(source, zones);
    if (!interval) {
      return in_field("time interval " + std::to_string(intervals.size() + 1), interval.error());
    }
    intervals.push_back(std::move(interval).value());
  }
  return intervals;
}

}  // namespace monitoring::dispatch
