#include "dispatch/text.hpp"

#include <array>
#include <cstdio>

namespace monitoring::dispatch {

namespace {

constexpr std::uint32_t kMaxRune = 0x10FFFF;

bool is_surrogate(std::uint32_t code) {
  return code >= 0xD800 && code <= 0xDFFF;
}

unsigned char byte_at(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

/// The payload bits of a multi-byte form's first byte, and how many bytes the form has (0: none).
Rune lead_byte(unsigned char lead) {
  if (lead >= 0xC2 && lead <= 0xDF) return {lead & 0x1FU, 2};
  if (lead >= 0xE0 && lead <= 0xEF) return {lead & 0x0FU, 3};
  if (lead >= 0xF0 && lead <= 0xF4) return {lead & 0x07U, 4};
  return {0, 0};
}

void append_rune(std::string& out, std::uint32_t code) {
  const auto put = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
  const auto tail = [&put, code](int shift) { put(0x80U | ((code >> shift) & 0x3FU)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0U | (code >> 6));
    tail(0);
  } else if (code < 0x10000) {
    put(0xE0U | (code >> 12));
    tail(6);
    tail(0);
  } else {
    put(0xF0U | (code >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

/// unicode.IsPrint, without the tables of unassigned code points.
bool is_print(std::uint32_t code) {
  if (code < 0x20 || (code >= 0x7F && code <= 0xA0) || code == 0xAD) return false;
  if (code >= 0x200B && code <= 0x200F) return false;  // zero-width and direction marks
  if (code >= 0x202A && code <= 0x202E) return false;
  if (code >= 0x2060 && code <= 0x206F) return false;
  if (code >= 0xE000 && code <= 0xF8FF) return false;  // private use
  if (code >= 0xFFF0 && code <= 0xFFFB) return false;
  return code != 0xFEFF && code < 0xE0000 && !(code > 0x20 && is_space(code));
}

/// The letter that follows a backslash in Go for a control character, or 0.
char short_escape(std::uint32_t code) {
  switch (code) {
    case '\a':
      return 'a';
    case '\b':
      return 'b';
    case '\f':
      return 'f';
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    case '\v':
      return 'v';
    case '\\':
      return '\\';
    case '"':
      return '"';
    default:
      return 0;
  }
}

void append_hex(std::string& out, const char* format, std::uint32_t code) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), format, code);
  out += text.data();
}

void append_quoted(std::string& out, std::uint32_t code) {
  if (const char letter = short_escape(code)) {
    out += '\\';
    out += letter;
  } else if (is_print(code)) {
    append_rune(out, code);
  } else if (code < 0x20 || code == 0x7F) {
    append_hex(out, "\\x%02x", code);
  } else if (code < 0x10000) {
    append_hex(out, "\\u%04x", code);
  } else {
    append_hex(out, "\\U%08x", code);
  }
}

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

/// Reads `count` digits of a base at `at` and moves past them.
std::optional<std::uint32_t> read_digits(std::string_view text, std::size_t& at, std::size_t count,
                                         int base) {
  if (text.size() - at < count) return std::nullopt;
  std::uint32_t value = 0;
  for (const std::size_t end = at + count; at < end; ++at) {
    const int digit = digit_value(text[at]);
    if (digit >= base) return std::nullopt;
    value = value * static_cast<std::uint32_t>(base) + static_cast<std::uint32_t>(digit);
  }
  return value;
}

/// A raw byte, as \x and octal escapes stand for.
bool append_byte(std::string& out, std::optional<std::uint32_t> value) {
  if (!value || *value > 0xFF) return false;
  out += static_cast<char>(*value);
  return true;
}

bool append_code_point(std::string& out, std::optional<std::uint32_t> value) {
  if (!value || *value > kMaxRune || is_surrogate(*value)) return false;
  append_rune(out, *value);
  return true;
}

/// Reads what follows a backslash at `at` and moves past it.
bool unescape(std::string_view text, std::size_t& at, std::string& out) {
  if (at >= text.size()) return false;
  const char letter = text[at];
  if (letter >= '0' && letter <= '7') return append_byte(out, read_digits(text, at, 3, 8));
  ++at;
  switch (letter) {
    case 'a':
      out += '\a';
      return true;
    case 'b':
      out += '\b';
      return true;
    case 'f':
      out += '\f';
      return true;
    case 'n':
      out += '\n';
      return true;
    case 'r':
      out += '\r';
      return true;
    case 't':
      out += '\t';
      return true;
    case 'v':
      out += '\v';
      return true;
    case '\\':
    case '"':
      out += letter;
      return true;
    case 'x':
      return append_byte(out, read_digits(text, at, 2, 16));
    case 'u':
      return append_code_point(out, read_digits(text, at, 4, 16));
    case 'U':
      return append_code_point(out, read_digits(text, at, 8, 16));
    default:
      return false;
  }
}

}  // namespace

std::optional<Rune> decode_rune(std::string_view text, std::size_t at) {
  const unsigned char first = byte_at(text, at);
  if (first < 0x80) return Rune{first, 1};
  Rune rune = lead_byte(first);
  if (rune.size == 0 || text.size() - at < rune.size) return std::nullopt;
  for (std::size_t i = 1; i < rune.size; ++i) {
    const unsigned char next = byte_at(text, at + i);
    if ((next & 0xC0U) != 0x80U) return std::nullopt;
    rune.code = (rune.code << 6) | (next & 0x3FU);
  }
  constexpr std::array<std::uint32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};
  if (rune.code < kSmallest[rune.size] || rune.code > kMaxRune || is_surrogate(rune.code)) {
    return std::nullopt;
  }
  return rune;
}

bool valid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto rune = decode_rune(text, at);
    if (!rune) return false;
    at += rune->size;
  }
  return true;
}

bool is_space(std::uint32_t code) {
  if (code <= 0xFF) {
    return code == ' ' || (code >= '\t' && code <= '\r') || code == 0x85 || code == 0xA0;
  }
  return code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 ||
         code == 0x202F || code == 0x205F || code == 0x3000;
}

std::string_view trim_space(std::string_view text) {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool seen = false;
  for (std::size_t at = 0; at < text.size();) {
    const auto rune = decode_rune(text, at);
    const std::size_t size = rune ? rune->size : 1;
    if (!rune || !is_space(rune->code)) {
      if (!seen) begin = at;
      seen = true;
      end = at + size;
    }
    at += size;
  }
  return text.substr(begin, end - begin);
}

std::string go_quote(std::string_view text) {
  std::string out = "\"";
  for (std::size_t at = 0; at < text.size();) {
    const auto rune = decode_rune(text, at);
    if (!rune) {
      append_hex(out, "\\x%02x", byte_at(text, at));
      ++at;
      continue;
    }
    append_quoted(out, rune->code);
    at += rune->size;
  }
  return out + '"';
}

std::optional<std::string> go_unquote(std::string_view literal) {
  if (literal.size() < 2 || literal.front() != '"' || literal.back() != '"') return std::nullopt;
  const std::string_view body = literal.substr(1, literal.size() - 2);
  std::string out;
  for (std::size_t at = 0; at < body.size();) {
    const char c = body[at++];
    if (c == '"' || c == '\n') return std::nullopt;
    if (c != '\\') {
      out += c;
    } else if (!unescape(body, at, out)) {
      return std::nullopt;
    }
  }
  if (!valid_utf8(out)) return std::nullopt;
  return out;
}

}  // namespace monitoring::dispatch
