#include "monitoring/pg/encoding.hpp"

extern "C" {
#include <catalog/namespace.h>
#include <mb/pg_wchar.h>
#include <utils/memutils.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>

#include "monitoring/base/encoding.hpp"

namespace monitoring::pg {

namespace {

constexpr const char* kReplacement = "\xEF\xBF\xBD";

bool has_conversion(int encoding) {
  return encoding != PG_UTF8 && encoding != PG_SQL_ASCII;
}

/// Of an ASCII character that a text may have.
bool is_plain_character(char c) {
  return c != '\0' && (static_cast<unsigned char>(c) & 0x80) == 0;
}

bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), is_plain_character);
}

/// Converts what can be, and puts the replacement in place of each character that cannot. `step`
/// tells how many bytes to pass over.
template <class Step>
std::string converted(std::string_view text, int from, int to, const char* replacement,
                      Step&& step) {
  const Oid function = call([&] { return FindDefaultConversionProc(from, to); });
  std::string result;
  if (!OidIsValid(function)) {
    for (const char c : text) result += is_plain_character(c) ? std::string(1, c) : replacement;
    return result;
  }
  while (!text.empty()) {
    const int length = static_cast<int>(std::min<std::size_t>(text.size(), MaxAllocSize / 8));
    std::string buffer(static_cast<std::size_t>(length) * MAX_CONVERSION_GROWTH + 1, '\0');
    // It reads the source only, which its declaration does not say.
    auto* source = reinterpret_cast<unsigned char*>(const_cast<char*>(text.data()));
    auto* target = reinterpret_cast<unsigned char*>(buffer.data());
    const int size = static_cast<int>(buffer.size());
    const int taken = call([&] {
      return pg_do_encoding_conversion_buf(function, from, to, source, length, target, size, true);
    });
    result += buffer.c_str();
    text.remove_prefix(static_cast<std::size_t>(taken));
    if (text.empty()) break;
    result += replacement;
    text.remove_prefix(std::min<std::size_t>(std::max<std::size_t>(step(text), 1), text.size()));
  }
  return result;
}

std::string in_server_encoding(std::string_view utf8) {
  const int encoding = GetDatabaseEncoding();
  if (!has_conversion(encoding) || is_plain(utf8)) return std::string(utf8);
  return converted(utf8, PG_UTF8, encoding, "?", utf8_sequence);
}

const char* replacement() {
  return GetDatabaseEncoding() == PG_UTF8 ? kReplacement : "?";
}

}  // namespace

std::string utf8_of(std::string_view text) {
  const int encoding = GetDatabaseEncoding();
  if (!has_conversion(encoding) || is_plain(text)) return std::string(text);
  return converted(text, encoding, PG_UTF8, kReplacement, [&](std::string_view rest) {
    return static_cast<std::size_t>(pg_encoding_mblen(encoding, rest.data()));
  });
}

std::string server_text(std::string_view utf8) {
  std::string text = in_server_encoding(utf8);
  for (auto at = text.find('\0'); at != std::string::npos; at = text.find('\0', at)) {
    text.replace(at, 1, replacement());
  }
  return text;
}

std::string server_json(std::string_view utf8) {
  constexpr std::string_view kZero = "\\u0000";
  std::string json = in_server_encoding(utf8);
  std::size_t at = json.find(kZero);
  for (; at != std::string::npos; at = json.find(kZero, at)) {
    // Behind an odd number of backslashes it is text that looks like an escape.
    const std::size_t before = json.find_last_not_of('\\', at);
    const std::size_t backslashes = at - (before == std::string::npos ? 0 : before + 1);
    if (backslashes % 2 == 1) {
      at += 1;
    } else {
      json.replace(at, kZero.size(), replacement());
    }
  }
  return json;
}

}  // namespace monitoring::pg
