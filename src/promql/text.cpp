#include "monitoring/promql/text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

namespace monitoring::promql {

namespace {

/// The shortest decimal digits of a finite number: 0.digits times ten to the exponent.
struct Decimal {
  bool negative = false;
  std::string digits;
  int exponent = 0;
};

Decimal decimal_of(double value) {
  char text[40];
  const auto end =
      std::to_chars(text, text + sizeof text, std::fabs(value), std::chars_format::scientific).ptr;
  const std::string_view written(text, static_cast<std::size_t>(end - text));
  const std::size_t e = written.find('e');
  Decimal decimal;
  decimal.negative = std::signbit(value);
  for (const char c : written.substr(0, e)) {
    if (c != '.') decimal.digits.push_back(c);
  }
  decimal.exponent = std::atoi(std::string(written.substr(e + 1)).c_str()) + 1;
  if (value == 0) decimal.exponent = 1;
  return decimal;
}

std::string fixed_text(const Decimal& decimal) {
  std::string text = decimal.negative ? "-" : "";
  const int count = static_cast<int>(decimal.digits.size());
  if (decimal.exponent <= 0) {
    return text + "0." + std::string(static_cast<std::size_t>(-decimal.exponent), '0') +
           decimal.digits;
  }
  if (decimal.exponent >= count) {
    return text + decimal.digits +
           std::string(static_cast<std::size_t>(decimal.exponent - count), '0');
  }
  const auto whole = static_cast<std::size_t>(decimal.exponent);
  return text + decimal.digits.substr(0, whole) + "." + decimal.digits.substr(whole);
}

std::string exponent_text(const Decimal& decimal, int least_digits) {
  std::string text = decimal.negative ? "-" : "";
  text += decimal.digits.substr(0, 1);
  if (decimal.digits.size() > 1) text += "." + decimal.digits.substr(1);
  char exponent[16];
  const int power = decimal.exponent - 1;
  std::snprintf(exponent, sizeof exponent, "e%c%0*d", power < 0 ? '-' : '+', least_digits,
                std::abs(power));
  return text + exponent;
}

/// "" where the number is finite.
std::string text_of_special(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return {};
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

/// The number of an integer in this base, if it is one that 64 bits hold.
bool whole_number(std::string_view digits, int base, double& value) {
  std::int64_t whole = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), whole, base);
  if (error != std::errc() || end != digits.data() + digits.size()) return false;
  value = static_cast<double>(whole);
  return true;
}

struct Unit {
  std::string_view name;
  std::int64_t ms;
  bool only_whole;  ///< written only where nothing is left below it
};

constexpr Unit kUnits[] = {
    {"y", 365LL * 24 * 3600 * 1000, true},
    {"w", 7LL * 24 * 3600 * 1000, true},
    {"d", 24LL * 3600 * 1000, false},
    {"h", 3600LL * 1000, false},
    {"m", 60LL * 1000, false},
    {"s", 1000, false},
    {"ms", 1, false},
};

/// Of the byte at `at`: how many bytes its code point has, 0 where it is not UTF-8.
std::size_t code_point_size(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || at + size > text.size()) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return 0;
  }
  const unsigned char second = byte(at + 1);
  if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F)) return 0;
  if ((first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) return 0;
  return size;
}

}  // namespace

std::string number_text(double value) {
  const std::string special = text_of_special(value);
  return special.empty() ? fixed_text(decimal_of(value)) : special;
}

std::string sample_text(double value) {
  const std::string special = text_of_special(value);
  if (!special.empty()) return special;
  const Decimal decimal = decimal_of(value);
  const double size = std::fabs(value);
  const bool with_exponent = size != 0 && (size < 1e-6 || size >= 1e21);
  return with_exponent ? exponent_text(decimal, 1) : fixed_text(decimal);
}

std::string short_number_text(double value) {
  const std::string special = text_of_special(value);
  if (!special.empty()) return special;
  const Decimal decimal = decimal_of(value);
  const int power = decimal.exponent - 1;
  const bool with_exponent = value != 0 && (power < -4 || power >= 21);
  return with_exponent ? exponent_text(decimal, 2) : fixed_text(decimal);
}

Result<double> parse_number(std::string_view text) {
  const Error bad = Error::of("error parsing number: strconv.ParseFloat: parsing " + quoted(text) +
                              ": invalid syntax");
  if (text.empty()) return bad;
  const std::string word = lower(text);
  if (word == "inf" || word == "+inf") return std::numeric_limits<double>::infinity();
  if (word == "nan") return std::numeric_limits<double>::quiet_NaN();
  std::string digits;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (word[i] != '_') digits.push_back(word[i]);
  }
  double value = 0;
  if (digits.size() > 2 && digits[0] == '0' && digits[1] == 'x') {
    if (whole_number(std::string_view(digits).substr(2), 16, value)) return value;
    return bad;
  }
  const bool only_digits = std::all_of(digits.begin(), digits.end(), is_digit);
  if (only_digits && digits.size() > 1 && digits[0] == '0' &&
      whole_number(std::string_view(digits).substr(1), 8, value)) {
    return value;
  }
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (end != digits.data() + digits.size() || error == std::errc::invalid_argument) return bad;
  if (error == std::errc::result_out_of_range) {
    // What is too small is zero; what is too large is an error.
    const double read = std::strtod(digits.c_str(), nullptr);
    if (std::isfinite(read)) return read;
    return Error::of("error parsing number: strconv.ParseFloat: parsing " + quoted(text) +
                     ": value out of range");
  }
  return value;
}

Result<std::int64_t> parse_duration(std::string_view text) {
  if (text == "0") return std::int64_t{0};
  if (text.empty()) return Error::of("empty duration string");
  const Error bad = Error::of("not a valid duration string: " + quoted(text),
                              "Durations are whole numbers with the units y, w, d, h, m, s, ms in "
                              "this order, for example 1h30m.");
  const Error too_long = Error::of("duration out of range");
  constexpr std::int64_t kMostMs = std::numeric_limits<std::int64_t>::max() / 1'000'000;
  std::int64_t total_ms = 0;
  const Unit* next = std::begin(kUnits);
  std::size_t at = 0;
  while (at < text.size()) {
    std::int64_t count = 0;
    const char* const from = text.data() + at;
    const auto [end, error] = std::from_chars(from, text.data() + text.size(), count);
    if (!is_digit(text[at]) || error == std::errc::invalid_argument) return bad;
    if (error == std::errc::result_out_of_range) return too_long;
    at += static_cast<std::size_t>(end - from);
    std::size_t unit_end = at;
    while (unit_end < text.size() && !is_digit(text[unit_end])) ++unit_end;
    const std::string_view name = text.substr(at, unit_end - at);
    const Unit* unit =
        std::find_if(next, std::end(kUnits), [&](const Unit& u) { return u.name == name; });
    if (unit == std::end(kUnits)) return bad;
    std::int64_t part = 0;
    if (__builtin_mul_overflow(count, unit->ms, &part) ||
        __builtin_add_overflow(total_ms, part, &total_ms) || total_ms > kMostMs) {
      return too_long;
    }
    next = unit + 1;
    at = unit_end;
  }
  return total_ms;
}

std::string duration_text(std::int64_t ms) {
  if (ms == 0) return "0s";
  std::string text;
  for (const Unit& unit : kUnits) {
    if (unit.only_whole && ms % unit.ms != 0) continue;
    const std::int64_t count = ms / unit.ms;
    if (count == 0) continue;
    text += std::to_string(count);
    text += unit.name;
    ms -= count * unit.ms;
  }
  return text;
}

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    const std::size_t size = code_point_size(text, at);
    char escape[8];
    if (c == '"' || c == '\\') {
      result += {'\\', c};
    } else if (c == '\n') {
      result += "\\n";
    } else if (c == '\t') {
      result += "\\t";
    } else if (c == '\r') {
      result += "\\r";
    } else if (c == '\a') {
      result += "\\a";
    } else if (c == '\b') {
      result += "\\b";
    } else if (c == '\f') {
      result += "\\f";
    } else if (c == '\v') {
      result += "\\v";
    } else if (size == 0 || (size == 1 && (static_cast<unsigned char>(c) < 0x20 || c == 0x7F))) {
      std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned char>(c));
      result += escape;
    } else {
      result += text.substr(at, size);
    }
    at += size == 0 ? 1 : size;
  }
  return result + "\"";
}

std::string matcher_text(const Matcher& matcher) {
  const std::string name = is_label_name(matcher.name()) ? matcher.name() : quoted(matcher.name());
  return name + std::string(match_op_text(matcher.op())) + quoted(matcher.value());
}

std::string labels_text(const Labels& labels) {
  std::string text(labels.get(kNameLabel));
  const bool has_name = !text.empty();
  if (has_name && labels.size() == 1) return text;
  text += "{";
  bool first = true;
  for (const auto& [name, value] : labels) {
    if (name == kNameLabel) continue;
    if (!first) text += ", ";
    first = false;
    text += (is_label_name(name) ? name : quoted(name)) + "=" + quoted(value);
  }
  return text + "}";
}

std::string place_text(std::string_view query, std::size_t position) {
  position = std::min(position, query.size());
  const std::string_view before = query.substr(0, position);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t newline = before.rfind('\n');
  const std::size_t column = newline == std::string_view::npos ? position + 1 : position - newline;
  return std::to_string(line) + ":" + std::to_string(column);
}

std::string caret_text(std::string_view query, std::size_t position) {
  constexpr std::size_t kMostBefore = 60;
  constexpr std::size_t kMostAfter = 40;
  position = std::min(position, query.size());
  const std::size_t newline = query.substr(0, position).rfind('\n');
  std::size_t from = newline == std::string_view::npos ? 0 : newline + 1;
  std::size_t to = std::min(query.find('\n', position), query.size());
  if (position - from > kMostBefore) from = position - kMostBefore;
  if (to - position > kMostAfter) to = position + kMostAfter;
  // No code point is cut in two.
  const auto continues = [&](std::size_t at) {
    return at < query.size() && (static_cast<unsigned char>(query[at]) & 0xC0) == 0x80;
  };
  while (from < position && continues(from)) ++from;
  while (to > position && continues(to)) --to;
  std::string line;
  std::size_t width = 0;
  for (std::size_t at = from; at < to; ++at) {
    const auto byte = static_cast<unsigned char>(query[at]);
    line.push_back(byte < 0x20 ? ' ' : query[at]);
    if (at < position && !continues(at)) ++width;
  }
  return line + "\n" + std::string(width, ' ') + "^";
}

bool is_valid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = code_point_size(text, at);
    if (size == 0) return false;
    at += size;
  }
  return true;
}

std::string parse_error_text(std::string_view query, const Error& error) {
  const std::string place = error.position ? place_text(query, *error.position) + ": " : "";
  return place + "parse error: " + error.message;
}

}  // namespace monitoring::promql
