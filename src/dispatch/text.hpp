#pragma once
// UTF-8 and the quoting of Go's strconv package, in which Alertmanager writes matchers and groups.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace monitoring::dispatch {

/// One decoded code point and the bytes it took.
struct Rune {
  std::uint32_t code = 0;
  std::size_t size = 0;
};

/// The code point that starts at `at` (which is below text.size()), or nothing where the bytes are
/// not UTF-8: overlong forms, surrogates and anything above U+10FFFF included.
std::optional<Rune> decode_rune(std::string_view text, std::size_t at);

bool valid_utf8(std::string_view text);

/// unicode.IsSpace.
bool is_space(std::uint32_t code);

/// text without white space (as in is_space) at either end. Bytes that are not UTF-8 are no space.
std::string_view trim_space(std::string_view text);

/// strconv.Quote, except that code points which Unicode has not assigned are written as they are.
std::string go_quote(std::string_view text);

/// strconv.Unquote of a double-quoted literal, quotes included; nothing where it is malformed or
/// stands for bytes that are not UTF-8.
std::optional<std::string> go_unquote(std::string_view literal);

}  // namespace monitoring::dispatch
