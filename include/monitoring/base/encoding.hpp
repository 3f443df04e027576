#pragma once
// Text as wires want it: valid UTF-8 of limited length, base64, percent-encoding.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace monitoring {

/// Bytes of the UTF-8 sequence at the start of `text` (RFC 3629: no surrogates, no overlong forms,
/// nothing above U+10FFFF); 0 where there is none.
std::size_t utf8_sequence(std::string_view text);

/// `text` with each byte that is not part of a UTF-8 sequence replaced by U+FFFD.
std::string valid_utf8(std::string_view text);

/// Code points in valid UTF-8.
std::size_t utf8_length(std::string_view text);

/// At most `most` code points of valid UTF-8; where something is cut, the last of them is an
/// ellipsis. `most` is at least 1.
std::string truncated_characters(std::string_view text, std::size_t most);

/// At most `most` bytes of valid UTF-8, cut between code points; where something is cut, it ends
/// in an ellipsis (3 bytes). `most` is at least 3.
std::string truncated_bytes(std::string_view text, std::size_t most);

/// RFC 4648, section 4, with padding and without line breaks.
std::string base64(std::string_view bytes);

/// RFC 3986: all but unreserved characters as %XX.
std::string percent_encoded(std::string_view bytes);

/// %XX replaced by the byte it means; missing where a % is not followed by two hex digits.
std::optional<std::string> percent_decoded(std::string_view text);

}  // namespace monitoring
