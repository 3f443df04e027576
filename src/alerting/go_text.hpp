#pragma once
// Go's conventions for text: quoting, runes, numbers (package strconv) and letter case.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace monitoring::alerting {

/// The text between quotes with its escapes resolved; none where an escape is malformed.
std::optional<std::string> go_unquote(std::string_view body, char quote);
/// strconv.Quote.
std::string go_quote(std::string_view text);

/// Code points; a malformed byte becomes U+FFFD.
std::vector<char32_t> decode_runes(std::string_view text);
void append_rune(std::string& out, char32_t rune);

/// strconv.ParseFloat: decimal, hexadecimal, Inf and NaN in any case; nothing around them.
std::optional<double> parse_go_float(std::string_view text);
/// strconv.FormatFloat for the formats e, f, g (and E, G). precision -1: the fewest digits that
/// read back as the same number.
std::string format_go_float(double value, char format, int precision);

/// Letters of ASCII, Latin-1, Greek and Cyrillic.
std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
/// strings.Title: the first letter of every word in upper case, the others as they are.
std::string to_title(std::string_view text);

/// Go's html.EscapeString as text/template's `html` has it, template.JSEscapeString, and
/// url.QueryEscape.
std::string escape_html(std::string_view text);
std::string escape_js(std::string_view text);
std::string escape_query(std::string_view text);
/// url.QueryUnescape; none where a % is not followed by two hex digits.
std::optional<std::string> unescape_query(std::string_view text);

std::string base64_encode(std::string_view bytes);
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace monitoring::alerting
