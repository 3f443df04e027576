#include "monitoring/base/rfc3339.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>

#include "monitoring/base/civil.hpp"

namespace monitoring {

namespace {

constexpr std::int64_t kMicrosPerSecond = 1000000;
constexpr std::int64_t kSecondsPerDay = 86400;
/// 0000-01-01 and 9999-12-31T23:59:59 in seconds from 1970-01-01.
constexpr std::int64_t kFirstSecond = -62167219200;
constexpr std::int64_t kLastSecond = 253402300799;

/// Reads a text from left to right; every step says whether it could.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool number(std::size_t digits, int& value) {
    if (rest_.size() < digits) return false;
    value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      if (!is_digit(rest_[i])) return false;
      value = value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(digits);
    return true;
  }

  bool one_of(std::string_view allowed, char& found) {
    if (rest_.empty() || allowed.find(rest_.front()) == std::string_view::npos) return false;
    found = rest_.front();
    rest_.remove_prefix(1);
    return true;
  }

  bool literal(std::string_view allowed) {
    char ignored;
    return one_of(allowed, ignored);
  }

  /// The digits after a decimal point, in microseconds; zero where there is no point.
  bool fraction(std::int64_t& micros) {
    micros = 0;
    if (rest_.empty() || rest_.front() != '.') return true;
    rest_.remove_prefix(1);
    if (rest_.empty() || !is_digit(rest_.front())) return false;
    for (std::int64_t unit = kMicrosPerSecond / 10; !rest_.empty() && is_digit(rest_.front());
         unit /= 10) {
      micros += unit * (rest_.front() - '0');
      rest_.remove_prefix(1);
    }
    return true;
  }

  bool at_end() const { return rest_.empty(); }

 private:
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  std::string_view rest_;
};

/// "Z" or "+hh:mm", in seconds to subtract.
bool read_offset(Reader& reader, std::int64_t& seconds) {
  char sign = 0;
  if (!reader.one_of("Zz+-", sign)) return false;
  seconds = 0;
  if (sign == 'Z' || sign == 'z') return true;
  int hours = 0;
  int minutes = 0;
  if (!reader.number(2, hours) || !reader.literal(":") || !reader.number(2, minutes)) return false;
  if (hours > 23 || minutes > 59) return false;
  seconds = (hours * 60 + minutes) * 60 * (sign == '-' ? -1 : 1);
  return true;
}

}  // namespace

std::string rfc3339(Instant instant) {
  const std::int64_t micros = instant.time_since_epoch().count();
  std::int64_t seconds = floor_divide(micros, kMicrosPerSecond);
  std::int64_t fraction = 0;
  if (seconds < kFirstSecond || seconds > kLastSecond) {
    seconds = std::clamp(seconds, kFirstSecond, kLastSecond);
  } else {
    fraction = micros - seconds * kMicrosPerSecond;
  }
  const std::int64_t days = floor_divide(seconds, kSecondsPerDay);
  const int second_of_day = static_cast<int>(seconds - days * kSecondsPerDay);
  const Date date = date_of(days);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d", static_cast<int>(date.year),
                date.month, date.day, second_of_day / 3600, second_of_day / 60 % 60,
                second_of_day % 60);
  std::string result = text;
  if (fraction != 0) {
    std::snprintf(text, sizeof text, ".%06d", static_cast<int>(fraction));
    result += text;
    result.erase(result.find_last_not_of('0') + 1);
  }
  return result + "Z";
}

std::optional<Instant> parse_rfc3339(std::string_view text) {
  Reader reader(text);
  int year = 0;
  int month = 0;
  int day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  std::int64_t micros = 0;
  std::int64_t offset = 0;
  const bool complete = reader.number(4, year) && reader.literal("-") && reader.number(2, month) &&
                        reader.literal("-") && reader.number(2, day) && reader.literal("Tt ") &&
                        reader.number(2, hour) && reader.literal(":") && reader.number(2, minute) &&
                        reader.literal(":") && reader.number(2, second) &&
                        reader.fraction(micros) && read_offset(reader, offset) && reader.at_end();
  if (!complete || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) {
    return std::nullopt;
  }
  // 60 is a leap second, which UTC of POSIX counts as the next second.
  if (hour > 23 || minute > 59 || second > 60) return std::nullopt;
  const std::int64_t seconds =
      days_of({year, month, day}) * kSecondsPerDay + hour * 3600 + minute * 60 + second - offset;
  return Instant(Duration(seconds * kMicrosPerSecond + micros));
}

}  // namespace monitoring
