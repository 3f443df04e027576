#include "template/go_text.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace monitoring::templates {

namespace {

constexpr char32_t kBadRune = 0xFFFD;
constexpr char kHexDigits[] = "0123456789ABCDEF";
constexpr char kLowerHex[] = "0123456789abcdef";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// The number written in `count` digits of `base` at `at`, or none.
std::optional<char32_t> digits_at(std::string_view text, std::size_t at, std::size_t count,
                                  int base) {
  if (at + count > text.size()) return std::nullopt;
  char32_t number = 0;
  for (const char c : text.substr(at, count)) {
    const int digit = hex_value(c);
    if (digit < 0 || digit >= base) return std::nullopt;
    number = number * static_cast<char32_t>(base) + static_cast<char32_t>(digit);
  }
  return number;
}

/// Resolves the escape whose letter is at `at`; moves `at` behind it.
bool append_escape(std::string& out, std::string_view body, std::size_t& at, char quote) {
  static constexpr std::string_view kLetters = "abfnrtv\\";
  static constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\";
  const char c = body[at];
  if (const auto found = kLetters.find(c); found != std::string_view::npos) {
    out += kMeanings[found];
    ++at;
    return true;
  }
  if (c == quote) {
    out += c;
    ++at;
    return true;
  }
  const bool octal = c >= '0' && c <= '7';
  const std::size_t count = octal ? 3 : c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
  if (count == 0) return false;
  const auto number = digits_at(body, octal ? at : at + 1, count, octal ? 8 : 16);
  if (!number) return false;
  at += count + (octal ? 0 : 1);
  if (octal || c == 'x') {
    if (*number > 255) return false;
    out += static_cast<char>(*number);
    return true;
  }
  if (*number > 0x10FFFF || (*number >= 0xD800 && *number < 0xE000)) return false;
  append_rune(out, *number);
  return true;
}

/// Length of the well-formed UTF-8 character at the start of `text` with its rune, or 0.
std::size_t rune_at(std::string_view text, char32_t& rune) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) {
    rune = first;
    return 1;
  }
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 0;
  if (length == 0 || first > 0xF4 || text.size() < length) return 0;
  rune = first & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xC0U) != 0x80) return 0;
    rune = (rune << 6U) | (next & 0x3FU);
  }
  static constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = rune >= 0xD800 && rune < 0xE000;
  return rune < kLeast[length] || surrogate || rune > 0x10FFFF ? 0 : length;
}

/// Decimal digits of a number d.ddd x 10^exponent.
struct Decimal {
  std::string digits;
  int exponent = 0;
};

Decimal split_scientific(std::string_view text) {
  Decimal decimal;
  const auto e = text.find('e');
  for (const char c : text.substr(0, e)) {
    if (c != '.') decimal.digits += c;
  }
  auto exponent = text.substr(e + 1);
  if (exponent[0] == '+') exponent.remove_prefix(1);
  std::from_chars(exponent.data(), exponent.data() + exponent.size(), decimal.exponent);
  return decimal;
}

std::string scientific_text(const Decimal& decimal) {
  std::string out(1, decimal.digits[0]);
  if (decimal.digits.size() > 1) out += "." + decimal.digits.substr(1);
  const int magnitude = std::abs(decimal.exponent);
  out += decimal.exponent < 0 ? "e-" : "e+";
  if (magnitude < 10) out += '0';
  return out + std::to_string(magnitude);
}

std::string plain_text(const Decimal& decimal) {
  const auto count = static_cast<int>(decimal.digits.size());
  if (decimal.exponent < 0) {
    return "0." + std::string(static_cast<std::size_t>(-decimal.exponent - 1), '0') +
           decimal.digits;
  }
  if (decimal.exponent + 1 >= count) {
    return decimal.digits +
           std::string(static_cast<std::size_t>(decimal.exponent + 1 - count), '0');
  }
  const auto point = static_cast<std::size_t>(decimal.exponent + 1);
  return decimal.digits.substr(0, point) + "." + decimal.digits.substr(point);
}

/// No double has a digit that is not zero beyond these; they are appended as text.
constexpr int kMostDecimals = 1100;
constexpr std::size_t kFloatBuffer = 2048;

std::string to_chars_text(double value, std::chars_format format, int precision) {
  char buffer[kFloatBuffer];
  const auto end = precision < 0 ? std::to_chars(buffer, buffer + sizeof buffer, value, format)
                                 : std::to_chars(buffer, buffer + sizeof buffer, value, format,
                                                 std::min(precision, kMostDecimals));
  return {buffer, end.ptr};
}

std::string zeros_beyond(int precision) {
  return std::string(static_cast<std::size_t>(std::max(precision - kMostDecimals, 0)), '0');
}

/// %e.
std::string exponent_text(double magnitude, int precision) {
  auto decimal =
      split_scientific(to_chars_text(magnitude, std::chars_format::scientific, precision));
  decimal.digits += zeros_beyond(precision);
  return scientific_text(decimal);
}

/// %f. The shortest form has zeros where the digits end, not those of the binary number.
std::string fixed_text(double magnitude, int precision) {
  if (precision >= 0) {
    return to_chars_text(magnitude, std::chars_format::fixed, precision) + zeros_beyond(precision);
  }
  return plain_text(
      split_scientific(to_chars_text(magnitude, std::chars_format::scientific, precision)));
}

/// %g: scientific outside of 10^-4 .. 10^precision (10^6 for the shortest form; of more digits as
/// many as there are), else plain; no trailing zeros.
std::string general_text(double magnitude, int precision) {
  const bool shortest = precision < 0;
  const int wanted = shortest ? 6 : std::max(precision, 1);
  auto decimal = split_scientific(
      to_chars_text(magnitude, std::chars_format::scientific, shortest ? -1 : wanted - 1));
  while (decimal.digits.size() > 1 && decimal.digits.back() == '0') decimal.digits.pop_back();
  return decimal.exponent < -4 || decimal.exponent >= wanted ? scientific_text(decimal)
                                                             : plain_text(decimal);
}

/// %x: a hexadecimal mantissa 1.xxx and a binary exponent of at least two digits.
std::string hex_float_text(double magnitude, int precision) {
  int exponent = 0;
  const double fraction = std::frexp(magnitude, &exponent);
  auto mantissa = static_cast<std::uint64_t>(std::ldexp(fraction, 53));
  exponent = magnitude == 0 ? 0 : exponent - 1;
  mantissa <<= 8U;  // 1 at bit 60, 60 bits behind the point
  if (precision >= 0 && precision < 15) {
    const auto shift = static_cast<unsigned>(60 - 4 * precision);
    const std::uint64_t extra = mantissa & ((std::uint64_t{1} << shift) - 1);
    const std::uint64_t half = std::uint64_t{1} << (shift - 1);
    mantissa >>= shift;
    if (extra > half || (extra == half && (mantissa & 1U) != 0)) ++mantissa;
    mantissa <<= shift;
    if ((mantissa >> 61U) != 0) {
      mantissa >>= 1U;
      ++exponent;
    }
  }
  std::string text = "0x";
  text += static_cast<char>('0' + (mantissa >> 60U));
  std::string digits;
  for (unsigned shift = 60; shift > 0; shift -= 4) {
    digits += kLowerHex[mantissa >> (shift - 4) & 15U];
  }
  if (precision < 0) {
    while (!digits.empty() && digits.back() == '0') digits.pop_back();
  } else {
    digits.resize(static_cast<std::size_t>(precision), '0');
  }
  if (!digits.empty()) text += "." + digits;
  text += exponent < 0 ? "p-" : "p+";
  if (std::abs(exponent) < 10) text += '0';
  return text + std::to_string(std::abs(exponent));
}

/// %b: the mantissa as a whole number and a binary exponent.
std::string binary_float_text(double magnitude) {
  constexpr int kLeastExponent = -1074;
  int exponent = 0;
  (void)std::frexp(magnitude, &exponent);
  exponent = magnitude == 0 ? kLeastExponent : std::max(exponent - 53, kLeastExponent);
  const auto mantissa = static_cast<std::uint64_t>(std::ldexp(magnitude, -exponent));
  return std::to_string(mantissa) + (exponent < 0 ? "p-" : "p+") +
         std::to_string(std::abs(exponent));
}

void append_hex_byte(std::string& out, unsigned char byte) {
  out += kHexDigits[byte >> 4U];
  out += kHexDigits[byte & 15U];
}

}  // namespace

void append_rune(std::string& out, char32_t rune) {
  if (rune > 0x10FFFF || (rune >= 0xD800 && rune < 0xE000)) rune = kBadRune;
  const auto tail = [&](unsigned shift) {
    out += static_cast<char>(0x80U | ((rune >> shift) & 0x3FU));
  };
  if (rune < 0x80) {
    out += static_cast<char>(rune);
  } else if (rune < 0x800) {
    out += static_cast<char>(0xC0U | (rune >> 6U));
    tail(0);
  } else if (rune < 0x10000) {
    out += static_cast<char>(0xE0U | (rune >> 12U));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0U | (rune >> 18U));
    tail(12);
    tail(6);
    tail(0);
  }
}

std::vector<char32_t> decode_runes(std::string_view text) {
  std::vector<char32_t> runes;
  while (!text.empty()) {
    char32_t rune = kBadRune;
    const auto length = rune_at(text, rune);
    runes.push_back(length == 0 ? kBadRune : rune);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return runes;
}

std::optional<std::string> go_unquote(std::string_view body, char quote) {
  std::string out;
  for (std::size_t at = 0; at < body.size();) {
    if (body[at] != '\\') {
      out += body[at++];
      continue;
    }
    if (++at >= body.size() || !append_escape(out, body, at, quote)) return std::nullopt;
  }
  return out;
}

namespace {

void append_hex(std::string& out, char32_t number, unsigned digits) {
  while (digits-- > 0) out += kLowerHex[number >> (4 * digits) & 15U];
}

void append_quoted_rune(std::string& out, char32_t rune, char quote, bool ascii_only) {
  static constexpr std::string_view kSpecial = "\a\b\f\n\r\t\v";
  static constexpr std::string_view kEscapes = "abfnrtv";
  if (rune == static_cast<unsigned char>(quote) || rune == '\\') {
    out += '\\';
    out += static_cast<char>(rune);
  } else if (ascii_only ? rune < 0x80 && is_printable(rune) : is_printable(rune)) {
    append_rune(out, rune);
  } else if (const auto found =
                 rune < 0x80 ? kSpecial.find(static_cast<char>(rune)) : std::string_view::npos;
             found != std::string_view::npos) {
    out += '\\';
    out += kEscapes[found];
  } else if (rune < ' ' || rune == 0x7F) {
    out += "\\x";
    append_hex(out, rune, 2);
  } else if (rune < 0x10000) {
    out += "\\u";
    append_hex(out, rune, 4);
  } else {
    out += "\\U";
    append_hex(out, rune, 8);
  }
}

}  // namespace

std::size_t rune_length(std::string_view text) {
  char32_t rune = 0;
  return std::max<std::size_t>(rune_at(text, rune), 1);
}

bool is_printable(char32_t rune) {
  if (rune < 0x80) return rune >= ' ' && rune < 0x7F;
  static const auto* const kPrintable = new RE2("[\\pL\\pM\\pN\\pP\\pS]");
  std::string text;
  append_rune(text, rune);
  return RE2::FullMatch(text, *kPrintable);
}

bool can_backquote(std::string_view text) {
  while (!text.empty()) {
    char32_t rune = kBadRune;
    const auto length = rune_at(text, rune);
    const bool control = rune < ' ' && rune != '\t';
    if (length == 0 || control || rune == '`' || rune == 0x7F || rune == 0xFEFF) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string go_quote(std::string_view text, bool ascii_only) {
  std::string out = "\"";
  while (!text.empty()) {
    char32_t rune = kBadRune;
    const auto length = rune_at(text, rune);
    if (length == 0) {
      out += "\\x";
      append_hex(out, static_cast<unsigned char>(text[0]), 2);
      text.remove_prefix(1);
      continue;
    }
    append_quoted_rune(out, rune, '"', ascii_only);
    text.remove_prefix(length);
  }
  return out + "\"";
}

std::string go_quote_rune(char32_t rune, bool ascii_only) {
  if (rune > 0x10FFFF || (rune >= 0xD800 && rune < 0xE000)) rune = kBadRune;
  std::string out = "'";
  append_quoted_rune(out, rune, '\'', ascii_only);
  return out + "'";
}

namespace {

/// strconv.underscoreOK: underscores stand between digits, or behind a base's prefix.
bool underscores_fit(std::string_view text) {
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) text.remove_prefix(1);
  char last = '^';
  bool hex = false;
  if (text.size() >= 2 && text[0] == '0' && (text[1] | 0x20) == 'x') {
    hex = true;
    last = '0';
    text.remove_prefix(2);
  }
  for (const char c : text) {
    if ((c >= '0' && c <= '9') || (hex && hex_value(c) >= 0)) {
      last = '0';
    } else if (c == '_') {
      if (last != '0') return false;
      last = '_';
    } else {
      if (last == '_') return false;
      last = '!';
    }
  }
  return last != '_';
}

}  // namespace

std::optional<double> parse_go_float(std::string_view text) {
  if (text.find('_') != text.npos) {
    if (!underscores_fit(text)) return std::nullopt;
    std::string digits(text);
    digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
    return parse_go_float(digits);
  }
  const auto start = text.find_first_not_of("+-");
  if (start == std::string_view::npos || start > 1) return std::nullopt;
  const auto magnitude = to_lower(text.substr(start));
  const double sign = text[0] == '-' ? -1 : 1;
  if (magnitude == "inf" || magnitude == "infinity") {
    return sign * std::numeric_limits<double>::infinity();
  }
  if (magnitude == "nan") return std::numeric_limits<double>::quiet_NaN();
  const bool hex = magnitude.rfind("0x", 0) == 0;
  if (hex && magnitude.find('p') == std::string::npos) return std::nullopt;
  const char* first = magnitude.data() + (hex ? 2 : 0);
  const char* last = magnitude.data() + magnitude.size();
  if (first == last || (*first != '.' && hex_value(*first) < 0)) return std::nullopt;
  double value = 0;
  const auto [end, status] = std::from_chars(
      first, last, value, hex ? std::chars_format::hex : std::chars_format::general);
  if (end != last || status == std::errc::invalid_argument) return std::nullopt;
  // Out of range: strtod tells overflow (infinity, an error in Go) from underflow (0).
  if (status == std::errc::result_out_of_range) value = std::strtod(magnitude.c_str(), nullptr);
  if (std::isinf(value)) return std::nullopt;
  return sign * value;
}

std::string format_go_float(double value, char format, int precision) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Inf" : "+Inf";
  const double magnitude = std::fabs(value);
  const char lower = static_cast<char>(format | 0x20);
  std::string text;
  if (lower == 'e') {
    text = exponent_text(magnitude, precision);
  } else if (lower == 'f') {
    text = fixed_text(magnitude, precision);
  } else if (lower == 'x') {
    text = hex_float_text(magnitude, precision);
  } else if (lower == 'b') {
    text = binary_float_text(magnitude);
  } else {
    text = general_text(magnitude, precision);
  }
  if (format != lower) text = to_upper(text);
  return std::signbit(value) ? "-" + text : text;
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '\0':
        append_rune(out, kBadRune);
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string escape_js(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\\' || c == '\'' || c == '"') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || c == '<' || c == '>' || c == '&' || c == '=') {
      out += "\\u00";
      append_hex_byte(out, byte);
    } else {
      out += c;
    }
  }
  return out;
}

std::string escape_query(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      out += '%';
      append_hex_byte(out, static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::optional<std::string> unescape_query(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '+') {
      out += ' ';
    } else if (text[at] != '%') {
      out += text[at];
    } else {
      const auto byte = digits_at(text, at + 1, 2, 16);
      if (!byte) return std::nullopt;
      out += static_cast<char>(*byte);
      at += 2;
    }
  }
  return out;
}

namespace {
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
}  // namespace

std::string base64_encode(std::string_view bytes) {
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const auto group = bytes.substr(at, 3);
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      bits = bits << 8U | (i < group.size() ? static_cast<unsigned char>(group[i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      out += i <= group.size() ? kBase64[bits >> (18 - 6 * i) & 63U] : '=';
    }
  }
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out;
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (const char c : text) {
    const auto found = kBase64.find(c);
    if (found == std::string_view::npos) return std::nullopt;
    bits = (bits << 6U | static_cast<std::uint32_t>(found)) & 0xFFFFFFU;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out += static_cast<char>(bits >> held & 0xFFU);
  }
  return out;
}

}  // namespace monitoring::templates
