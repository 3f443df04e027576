#include "template/go_time.hpp"

#include <array>
#include <cstdio>

namespace monitoring::templates {

namespace {

constexpr std::int64_t kSecondsPerDay = 86400;

constexpr std::array<std::string_view, 12> kMonths{"January",   "February", "March",    "April",
                                                   "May",       "June",     "July",     "August",
                                                   "September", "October",  "November", "December"};
constexpr std::array<std::string_view, 7> kWeekdays{"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                    "Thursday", "Friday", "Saturday"};

std::int64_t floor_div(std::int64_t a, std::int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}

bool leap(std::int64_t year) {
  return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

std::string padded(std::int64_t number, int width, char fill = '0') {
  auto text = std::to_string(number);
  const auto wanted = static_cast<std::size_t>(width);
  return text.size() < wanted ? std::string(wanted - text.size(), fill) + text : text;
}

/// Nanoseconds as `digits` decimals.
std::string fraction(std::int32_t nanos, std::size_t digits) {
  return padded(nanos, 9).substr(0, digits);
}

std::string trimmed_fraction(std::int32_t nanos, std::size_t digits) {
  auto text = fraction(nanos, digits);
  while (!text.empty() && text.back() == '0') text.pop_back();
  return text.empty() ? text : "." + text;
}

enum class Field {
  kLongMonth,
  kMonth,
  kMonthNumber,
  kZeroMonth,
  kLongWeekday,
  kWeekday,
  kDay,
  kSpaceDay,
  kZeroDay,
  kYearDay,
  kSpaceYearDay,
  kHour,
  kHour12,
  kZeroHour12,
  kMinute,
  kZeroMinute,
  kSecond,
  kZeroSecond,
  kLongYear,
  kYear,
  kUpperHalf,
  kLowerHalf,
  kZone,
  kOffset,
  kColonOffset,
  kShortOffset,
  kIsoOffset,
};

struct Chunk {
  std::string_view text;
  Field field;
};

/// In the order in which they are tried: longer before shorter.
constexpr Chunk kChunks[] = {
    {"January", Field::kLongMonth},
    {"Jan", Field::kMonth},
    {"Monday", Field::kLongWeekday},
    {"Mon", Field::kWeekday},
    {"MST", Field::kZone},
    {"002", Field::kYearDay},
    {"01", Field::kZeroMonth},
    {"02", Field::kZeroDay},
    {"03", Field::kZeroHour12},
    {"04", Field::kZeroMinute},
    {"05", Field::kZeroSecond},
    {"06", Field::kYear},
    {"15", Field::kHour},
    {"1", Field::kMonthNumber},
    {"2006", Field::kLongYear},
    {"_2006", Field::kLongYear},
    {"__2", Field::kSpaceYearDay},
    {"_2", Field::kSpaceDay},
    {"2", Field::kDay},
    {"3", Field::kHour12},
    {"4", Field::kMinute},
    {"5", Field::kSecond},
    {"PM", Field::kUpperHalf},
    {"pm", Field::kLowerHalf},
    {"-07:00", Field::kColonOffset},
    {"-0700", Field::kOffset},
    {"-07", Field::kShortOffset},
    {"Z07:00", Field::kIsoOffset},
    {"Z0700", Field::kIsoOffset},
    {"Z07", Field::kIsoOffset},
};

const Chunk* chunk_at(std::string_view layout) {
  for (const auto& chunk : kChunks) {
    if (layout.substr(0, chunk.text.size()) == chunk.text) return &chunk;
  }
  return nullptr;
}

int hour12(int hour) {
  return hour % 12 == 0 ? 12 : hour % 12;
}

std::string field_text(Field field, const CivilTime& civil) {
  switch (field) {
    case Field::kLongMonth:
      return std::string(month_name(civil.month));
    case Field::kMonth:
      return std::string(month_name(civil.month).substr(0, 3));
    case Field::kMonthNumber:
      return std::to_string(civil.month);
    case Field::kZeroMonth:
      return padded(civil.month, 2);
    case Field::kLongWeekday:
      return std::string(weekday_name(civil.weekday));
    case Field::kWeekday:
      return std::string(weekday_name(civil.weekday).substr(0, 3));
    case Field::kDay:
      return std::to_string(civil.day);
    case Field::kSpaceDay:
      return padded(civil.day, 2, ' ');
    case Field::kZeroDay:
      return padded(civil.day, 2);
    case Field::kYearDay:
      return padded(civil.year_day, 3);
    case Field::kSpaceYearDay:
      return padded(civil.year_day, 3, ' ');
    case Field::kHour:
      return padded(civil.hour, 2);
    case Field::kHour12:
      return std::to_string(hour12(civil.hour));
    case Field::kZeroHour12:
      return padded(hour12(civil.hour), 2);
    case Field::kMinute:
      return std::to_string(civil.minute);
    case Field::kZeroMinute:
      return padded(civil.minute, 2);
    case Field::kSecond:
      return std::to_string(civil.second);
    case Field::kZeroSecond:
      return padded(civil.second, 2);
    case Field::kLongYear:
      return padded(civil.year, 4);
    case Field::kYear:
      return padded(civil.year % 100, 2);
    case Field::kUpperHalf:
      return civil.hour >= 12 ? "PM" : "AM";
    case Field::kLowerHalf:
      return civil.hour >= 12 ? "pm" : "am";
    case Field::kZone:
      return "UTC";
    case Field::kOffset:
      return "+0000";
    case Field::kColonOffset:
      return "+00:00";
    case Field::kShortOffset:
      return "+00";
    case Field::kIsoOffset:
      return "Z";
  }
  return {};
}

/// ".000", ",000" (fixed) or ".999" (trimmed) at the start, or 0. No digit may follow.
std::size_t fraction_length(std::string_view layout) {
  if (layout.size() < 2 || (layout[0] != '.' && layout[0] != ',')) return 0;
  const char digit = layout[1];
  if (digit != '0' && digit != '9') return 0;
  const auto end = layout.find_first_not_of(digit, 1);
  const auto length = end == std::string_view::npos ? layout.size() : end;
  const bool digit_follows =
      length < layout.size() && layout[length] >= '0' && layout[length] <= '9';
  return digit_follows || length > 10 ? 0 : length;
}

struct DurationUnit {
  std::string_view name;
  double seconds;
};

}  // namespace

std::string_view month_name(int month) {
  return kMonths[static_cast<std::size_t>(month - 1)];
}
std::string_view weekday_name(int weekday) {
  return kWeekdays[static_cast<std::size_t>(weekday)];
}

/// Days to dates by eras of 400 years that start on 1 March, so that leap days come last.
CivilTime civil_time(const GoTime& time) {
  const auto days = floor_div(time.seconds, kSecondsPerDay);
  const auto in_day = time.seconds - days * kSecondsPerDay;
  const auto shifted = days + 719468;
  const auto era = floor_div(shifted, 146097);
  const auto day_of_era = shifted - era * 146097;
  const auto year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const auto day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const auto march_month = (5 * day_of_year + 2) / 153;
  CivilTime civil;
  civil.day = static_cast<int>(day_of_year - (153 * march_month + 2) / 5 + 1);
  civil.month = static_cast<int>(march_month < 10 ? march_month + 3 : march_month - 9);
  civil.year = year_of_era + era * 400 + (civil.month <= 2 ? 1 : 0);
  civil.weekday = static_cast<int>(days + 4 - floor_div(days + 4, 7) * 7);
  static constexpr int kDaysBefore[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
  civil.year_day =
      kDaysBefore[civil.month - 1] + civil.day + (civil.month > 2 && leap(civil.year) ? 1 : 0);
  civil.hour = static_cast<int>(in_day / 3600);
  civil.minute = static_cast<int>(in_day / 60 % 60);
  civil.second = static_cast<int>(in_day % 60);
  return civil;
}

std::string format_go_time(const GoTime& time, std::string_view layout) {
  const auto civil = civil_time(time);
  std::string out;
  while (!layout.empty()) {
    if (const auto length = fraction_length(layout)) {
      out += layout[1] == '9' ? trimmed_fraction(time.nanos, length - 1)
                              : layout[0] + fraction(time.nanos, length - 1);
      layout.remove_prefix(length);
    } else if (const Chunk* chunk = chunk_at(layout)) {
      out += field_text(chunk->field, civil);
      layout.remove_prefix(chunk->text.size());
    } else {
      out += layout[0];
      layout.remove_prefix(1);
    }
  }
  return out;
}

std::string go_time_text(const GoTime& time) {
  return format_go_time(time, "2006-01-02 15:04:05.999999999 -0700 MST");
}

std::string go_time_syntax(const GoTime& time) {
  const auto civil = civil_time(time);
  std::string text = "time.Date(" + std::to_string(civil.year) + ", time.";
  text += month_name(civil.month);
  for (const int part : {civil.day, civil.hour, civil.minute, civil.second, time.nanos}) {
    text += ", " + std::to_string(part);
  }
  return text + ", time.UTC)";
}

std::string rfc3339_text(const GoTime& time) {
  return format_go_time(time, "2006-01-02T15:04:05.999999999Z07:00");
}

std::string go_duration_text(const GoDuration& duration) {
  if (duration.nanos == 0) return "0s";
  const bool negative = duration.nanos < 0;
  const auto signed_nanos = static_cast<std::uint64_t>(duration.nanos);
  const std::uint64_t nanos = negative ? 0 - signed_nanos : signed_nanos;
  const std::string sign = negative ? "-" : "";
  const auto decimals = [](std::uint64_t rest, int digits) {
    auto text = padded(static_cast<std::int64_t>(rest), digits);
    while (!text.empty() && text.back() == '0') text.pop_back();
    return text.empty() ? text : "." + text;
  };
  if (nanos < 1000) return sign + std::to_string(nanos) + "ns";
  if (nanos < 1000000) {
    return sign + std::to_string(nanos / 1000) + decimals(nanos % 1000, 3) + "\u00b5s";
  }
  if (nanos < 1000000000) {
    return sign + std::to_string(nanos / 1000000) + decimals(nanos % 1000000, 6) + "ms";
  }
  const auto seconds = nanos / 1000000000;
  auto text = std::to_string(seconds % 60) + decimals(nanos % 1000000000, 9) + "s";
  if (seconds >= 60) text = std::to_string(seconds / 60 % 60) + "m" + text;
  if (seconds >= 3600) text = std::to_string(seconds / 3600) + "h" + text;
  return sign + text;
}

std::optional<double> parse_prometheus_duration(std::string_view text) {
  static constexpr DurationUnit kUnits[] = {{"y", 365.0 * 86400}, {"w", 7.0 * 86400}, {"d", 86400},
                                            {"h", 3600},          {"m", 60},          {"s", 1},
                                            {"ms", 0.001}};
  if (text == "0") return 0;
  if (text.empty()) return std::nullopt;
  double seconds = 0;
  std::size_t next_unit = 0;  // units come in this order, each at most once
  while (!text.empty()) {
    const auto digits = text.find_first_not_of("0123456789");
    if (digits == 0 || digits == std::string_view::npos || digits > 15) return std::nullopt;
    const auto amount = std::stoll(std::string(text.substr(0, digits)));
    text.remove_prefix(digits);
    const auto letters = text.find_first_of("0123456789");
    const auto name = text.substr(0, letters);
    while (next_unit < std::size(kUnits) && kUnits[next_unit].name != name) ++next_unit;
    if (next_unit == std::size(kUnits)) return std::nullopt;
    seconds += static_cast<double>(amount) * kUnits[next_unit++].seconds;
    text.remove_prefix(name.size());
  }
  return seconds;
}

}  // namespace monitoring::templates
