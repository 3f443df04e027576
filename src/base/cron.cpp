#include "monitoring/base/cron.hpp"

#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "monitoring/base/civil.hpp"

namespace monitoring {

namespace {

constexpr int kMinutesPerDay = 1440;
/// A 29 February that is eight years away (around 2100), and some.
constexpr int kHorizonDays = 366 * 9;

/// One field: its bounds and the names of its values.
struct Field {
  const char* name;
  int low;
  int high;
  const char* const* words;  ///< of the values from `low` on; nullptr: numbers only
  int word_count;
};

constexpr std::array<const char*, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                 "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<const char*, 7> kWeekdays = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

constexpr Field kMinute{"minute", 0, 59, nullptr, 0};
constexpr Field kHour{"hour", 0, 23, nullptr, 0};
constexpr Field kDay{"day of month", 1, 31, nullptr, 0};
constexpr Field kMonth{"month", 1, 12, kMonths.data(), kMonths.size()};
constexpr Field kWeekday{"day of week", 0, 7, kWeekdays.data(), kWeekdays.size()};

constexpr std::pair<const char*, const char*> kShortForms[] = {
    {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
    {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
    {"@hourly", "0 * * * *"},
};

bool is_space(char c) {
  return c == ' ' || c == '\t';
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// A piece of the schedule that knows where it stands, for errors.
struct Piece {
  std::string_view text;
  std::size_t position;
};

std::vector<Piece> split(const Piece& whole, char separator) {
  std::vector<Piece> pieces;
  std::size_t start = 0;
  for (std::size_t i = 0; i <= whole.text.size(); ++i) {
    if (i < whole.text.size() && whole.text[i] != separator) continue;
    pieces.push_back({whole.text.substr(start, i - start), whole.position + start});
    start = i + 1;
  }
  return pieces;
}

std::vector<Piece> split_words(std::string_view text) {
  std::vector<Piece> words;
  std::size_t i = 0;
  while (i < text.size()) {
    while (i < text.size() && is_space(text[i])) ++i;
    const std::size_t start = i;
    while (i < text.size() && !is_space(text[i])) ++i;
    if (i > start) words.push_back({text.substr(start, i - start), start});
  }
  return words;
}

std::optional<int> read_number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  if (text.front() == '-') return std::nullopt;
  return value;
}

Result<int> read_value(const Piece& piece, const Field& field) {
  std::string word;
  for (const char c : piece.text) word += lower(c);
  for (int i = 0; i < field.word_count; ++i) {
    if (word == field.words[i]) return field.low + i;
  }
  const auto number = read_number(piece.text);
  if (!number) {
    return Error::at(piece.position, "\"" + std::string(piece.text) + "\" is no " + field.name);
  }
  if (*number < field.low || *number > field.high) {
    return Error::at(piece.position, std::string(field.name) + " must be from " +
                                         std::to_string(field.low) + " to " +
                                         std::to_string(field.high));
  }
  return *number;
}

struct Range {
  int first;
  int last;
  int step;
};

Result<int> read_step(const Piece& piece) {
  const auto step = read_number(piece.text);
  if (!step || *step < 1) return Error::at(piece.position, "a step must be a positive number");
  return *step;
}

Result<Range> read_range(const Piece& piece, const Field& field) {
  const std::vector<Piece> halves = split(piece, '/');
  if (halves.size() > 2) return Error::at(halves[2].position, "a range has one step at most");
  Range range{field.low, field.high, 1};
  if (halves[0].text != "*") {
    const std::vector<Piece> ends = split(halves[0], '-');
    if (ends.size() > 2) return Error::at(ends[2].position, "a range has two ends");
    const Result<int> first = read_value(ends.front(), field);
    if (!first) return first.error();
    const Result<int> last = read_value(ends.back(), field);
    if (!last) return last.error();
    if (*last < *first) return Error::at(piece.position, "the range ends before it starts");
    if (ends.size() == 1 && halves.size() == 2) {
      return Error::at(halves[1].position, "a step needs a range or \"*\" before it");
    }
    range.first = *first;
    range.last = *last;
  }
  if (halves.size() == 2) {
    const Result<int> step = read_step(halves[1]);
    if (!step) return step.error();
    range.step = *step;
  }
  return range;
}

/// Sets the bits of a field's list; returns what was wrong with it.
template <std::size_t Size>
std::optional<Error> read_field(const Piece& piece, const Field& field, std::bitset<Size>& bits) {
  for (const Piece& item : split(piece, ',')) {
    const Result<Range> range = read_range(item, field);
    if (!range) return range.error();
    // Compared before adding: a step may be as large as an int.
    for (int value = range->first;; value += range->step) {
      bits.set(static_cast<std::size_t>(value) % Size);
      if (range->step > range->last - value) break;
    }
  }
  return std::nullopt;
}

std::optional<Duration> read_seconds(const std::vector<Piece>& words) {
  if (words.size() != 2 || (words[1].text != "seconds" && words[1].text != "second")) {
    return std::nullopt;
  }
  const auto seconds = read_number(words[0].text);
  if (!seconds || *seconds < 1 || *seconds > 59) return std::nullopt;
  return std::chrono::seconds(*seconds);
}

}  // namespace

Result<CronSchedule> CronSchedule::parse(std::string_view text) {
  for (const auto& [name, meaning] : kShortForms) {
    if (text == name) return parse(meaning);
  }
  CronSchedule schedule;
  const std::vector<Piece> words = split_words(text);
  schedule.every_ = read_seconds(words);
  if (schedule.every_) return schedule;
  if (words.size() != 5) {
    return Error::of(
        "a schedule has five fields, not " + std::to_string(words.size()),
        "Use \"minute hour day-of-month month day-of-week\", such as \"5 * * * *\", or "
        "\"[1-59] seconds\".");
  }
  schedule.any_day_ = words[2].text.front() == '*';
  schedule.any_weekday_ = words[4].text.front() == '*';
  schedule.last_day_ = words[2].text == "$";

  std::optional<Error> error = read_field(words[0], kMinute, schedule.minutes_);
  if (!error) error = read_field(words[1], kHour, schedule.hours_);
  if (!error && !schedule.last_day_) error = read_field(words[2], kDay, schedule.days_);
  if (!error) error = read_field(words[3], kMonth, schedule.months_);
  if (!error) error = read_field(words[4], kWeekday, schedule.weekdays_);
  if (error) return *error;
  return schedule;
}

bool CronSchedule::fits_day(std::int64_t day) const {
  const Date date = date_of(day);
  if (!months_.test(static_cast<std::size_t>(date.month))) return false;
  const bool by_date = days_.test(static_cast<std::size_t>(date.day)) ||
                       (last_day_ && date.day == days_in_month(date.year, date.month));
  const bool by_weekday = weekdays_.test(static_cast<std::size_t>(day_of_week(day)));
  return any_day_ || any_weekday_ ? by_date && by_weekday : by_date || by_weekday;
}

std::optional<int> CronSchedule::next_minute_of_day(int from) const {
  for (int minute = from; minute < kMinutesPerDay; ++minute) {
    if (hours_.test(static_cast<std::size_t>(minute / 60)) &&
        minutes_.test(static_cast<std::size_t>(minute % 60))) {
      return minute;
    }
  }
  return std::nullopt;
}

std::optional<Instant> CronSchedule::next_after(Instant instant) const {
  // Nothing comes due behind the end of time.
  constexpr Duration kHorizon = std::chrono::hours(24 * (kHorizonDays + 2));
  if (instant > Instant::max() - kHorizon) return std::nullopt;
  if (every_) return instant + *every_;
  using std::chrono::minutes;
  const std::int64_t start = std::chrono::floor<minutes>(instant.time_since_epoch()).count() + 1;
  const std::int64_t first_day = floor_divide(start, kMinutesPerDay);
  for (std::int64_t day = first_day; day <= first_day + kHorizonDays; ++day) {
    if (!fits_day(day)) continue;
    const int from = day == first_day ? static_cast<int>(start - day * kMinutesPerDay) : 0;
    if (const auto minute = next_minute_of_day(from)) {
      return Instant(minutes(day * kMinutesPerDay + *minute));
    }
  }
  return std::nullopt;
}

}  // namespace monitoring
