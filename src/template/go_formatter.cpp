#include "template/go_formatter.hpp"

#include <algorithm>

#include "template/go_text.hpp"

namespace monitoring::templates {

namespace {

std::size_t rune_count(std::string_view text) {
  return decode_runes(text).size();
}

char32_t rune_of(std::int64_t number) {
  constexpr char32_t kBadRune = 0xFFFD;
  return number < 0 || number > 0x10FFFF ? kBadRune : static_cast<char32_t>(number);
}

}  // namespace

void Formatter::padding(std::int64_t count) {
  if (count <= 0) return;
  // Beyond the limit the text is thrown away.
  const std::size_t room = limit_ + 1 - std::min(limit_ + 1, out_.size());
  out_.append(std::min(static_cast<std::size_t>(count), room), flags.zero ? '0' : ' ');
}

void Formatter::pad(std::string_view text) {
  const auto count = static_cast<std::int64_t>(rune_count(text));
  const std::int64_t missing = flags.width.value_or(0) - count;
  if (!flags.minus) padding(missing);
  out_ += text;
  if (flags.minus) padding(missing);
}

void Formatter::padded_with_blanks(std::string_view text) {
  const bool zero = flags.zero;
  flags.zero = false;
  pad(text);
  flags.zero = zero;
}

std::string_view Formatter::truncated(std::string_view value) const {
  if (!flags.precision) return value;
  std::size_t bytes = 0;
  for (int left = *flags.precision; left > 0 && bytes < value.size(); --left) {
    bytes += rune_length(value.substr(bytes));
  }
  return value.substr(0, bytes);
}

void Formatter::integer(std::int64_t number, unsigned base, char verb, const char* digits) {
  const bool negative = number < 0;
  const auto bits = static_cast<std::uint64_t>(number);
  std::uint64_t magnitude = negative ? 0 - bits : bits;
  std::int64_t least = 0;
  if (flags.precision) {
    least = *flags.precision;
    if (least == 0 && magnitude == 0) {
      const bool zero = flags.zero;
      flags.zero = false;
      padding(flags.width.value_or(0));
      flags.zero = zero;
      return;
    }
  } else if (flags.zero && flags.width) {
    least = *flags.width - (negative || flags.plus || flags.space ? 1 : 0);
  }
  std::string reversed;
  do {
    reversed += digits[magnitude % base];
    magnitude /= base;
  } while (magnitude > 0);
  least = std::min(least, static_cast<std::int64_t>(limit_) + 1);
  while (static_cast<std::int64_t>(reversed.size()) < least) reversed += '0';
  if (flags.sharp && base == 2) reversed += "b0";
  if (flags.sharp && base == 8 && reversed.back() != '0') reversed += '0';
  if (flags.sharp && base == 16) (reversed += digits[16]) += '0';
  if (verb == 'O') reversed += "o0";
  if (negative) {
    reversed += '-';
  } else if (flags.plus) {
    reversed += '+';
  } else if (flags.space) {
    reversed += ' ';
  }
  std::reverse(reversed.begin(), reversed.end());
  padded_with_blanks(reversed);
}

void Formatter::unicode(std::int64_t number) {
  const auto bits = static_cast<std::uint64_t>(number);
  std::string digits;
  for (std::uint64_t rest = bits; rest > 0; rest >>= 4U) digits += kUpperDigits[rest & 15U];
  const auto least = static_cast<std::size_t>(std::clamp(flags.precision.value_or(4), 4, 10000));
  while (digits.size() < least) digits += '0';
  std::reverse(digits.begin(), digits.end());
  std::string text = "U+" + digits;
  if (flags.sharp && bits <= 0x10FFFF && is_printable(static_cast<char32_t>(bits))) {
    text += " '";
    append_rune(text, static_cast<char32_t>(bits));
    text += '\'';
  }
  padded_with_blanks(text);
}

void Formatter::character(std::int64_t number) {
  std::string text;
  append_rune(text, rune_of(number));
  pad(text);
}

void Formatter::quoted_character(std::int64_t number) {
  pad(go_quote_rune(rune_of(number), flags.plus));
}

void Formatter::quoted(std::string_view value) {
  const std::string_view shown = truncated(value);
  if (flags.sharp && can_backquote(shown)) return pad("`" + std::string(shown) + "`");
  pad(go_quote(shown, flags.plus));
}

void Formatter::hex(std::string_view value, const char* digits) {
  if (flags.precision) value = value.substr(0, static_cast<std::size_t>(*flags.precision));
  if (value.empty()) return padding(flags.width.value_or(0));
  std::string text;
  for (std::size_t i = 0; i < value.size() && text.size() <= limit_; ++i) {
    if (flags.space && i > 0) text += ' ';
    if (flags.sharp && (flags.space || i == 0)) (text += '0') += digits[16];
    const auto byte = static_cast<unsigned char>(value[i]);
    text += digits[byte >> 4U];
    text += digits[byte & 15U];
  }
  pad(text);
}

/// The flag # keeps a point, and with %g the trailing zeros. `number` has its sign in front.
void Formatter::force_point(std::string& number, char verb, std::optional<int> precision) const {
  int digits = 0;
  if (verb == 'g' || verb == 'G' || verb == 'x') {
    digits = std::min(precision.value_or(6), kMostInFormat);
  }
  const bool is_hex = verb == 'x' || verb == 'X';
  const std::size_t end = number.find_first_of(is_hex ? "pP" : "eEpP", 1);
  const std::string tail = end == std::string::npos ? "" : number.substr(end);
  if (end != std::string::npos) number.erase(end);
  bool has_point = false;
  bool saw_nonzero = false;
  for (std::size_t i = 1; i < number.size(); ++i) {
    if (number[i] == '.') {
      has_point = true;
      continue;
    }
    if (number[i] != '0') saw_nonzero = true;
    if (saw_nonzero) --digits;
  }
  if (!has_point) {
    if (number.size() == 2 && number[1] == '0') --digits;
    number += '.';
  }
  for (; digits > 0 && number.size() <= limit_; --digits) number += '0';
  number += tail;
}

void Formatter::floating(double number, char verb, std::optional<int> precision) {
  if (flags.precision) precision = flags.precision;
  std::string text = format_go_float(number, verb, precision.value_or(-1));
  if (text[0] != '-' && text[0] != '+') text.insert(0, 1, '+');
  if (flags.space && text[0] == '+' && !flags.plus) text[0] = ' ';
  if (text[1] == 'I' || text[1] == 'N') {
    if (text[1] == 'N' && !flags.space && !flags.plus) text.erase(0, 1);
    return padded_with_blanks(text);
  }
  if (flags.sharp && verb != 'b') force_point(text, verb, precision);
  if (!flags.plus && text[0] == '+') return pad(std::string_view(text).substr(1));
  const auto length = static_cast<std::int64_t>(text.size());
  if (flags.zero && flags.width.value_or(0) > length) {
    out_ += text[0];
    padding(*flags.width - length);
    out_ += std::string_view(text).substr(1);
    return;
  }
  pad(text);
}

}  // namespace monitoring::templates
