#pragma once
// Go's conventions for text: quoting, runes, numbers (package strconv) and letter case.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace monitoring::templates {

/// The text between quotes with its escapes resolved; none where an escape is malformed.
std::optional<std::string> go_unquote(std::string_view body, char quote);
/// strconv.Quote; with `ascii_only` strconv.QuoteToASCII.
std::string go_quote(std::string_view text, bool ascii_only = false);
/// strconv.QuoteRune, strconv.QuoteRuneToASCII.
std::string go_quote_rune(char32_t rune, bool ascii_only);
/// strconv.CanBackquote.
bool can_backquote(std::string_view text);
/// unicode.IsPrint: letters, marks, numbers, punctuation, symbols and the blank.
bool is_printable(char32_t rune);

/// Code points; a malformed byte becomes U+FFFD.
std::vector<char32_t> decode_runes(std::string_view text);
/// Bytes of the first character, 1 for a malformed one. The text must not be empty.
std::size_t rune_length(std::string_view text);
void append_rune(std::string& out, char32_t rune);

/// strconv.ParseFloat: decimal, hexadecimal, Inf and NaN in any case; nothing around them.
std::optional<double> parse_go_float(std::string_view text);
/// strconv.FormatFloat for the formats e, f, g, x (and E, G, X) and b. precision -1: the fewest
/// digits that read back as the same number.
std::string format_go_float(double value, char format, int precision);

/// strings.ToUpper and strings.ToLower: letter by letter.
std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
/// strings.Title: the first letter of every word in upper case, the others as they are.
std::string to_title(std::string_view text);
/// cases.Title of golang.org/x/text: the first cased letter of every word in title case, the others
/// in lower case; points, colons and apostrophes within a word do not end it.
std::string to_title_case(std::string_view text);

/// Go's html.EscapeString as text/template's `html` has it, template.JSEscapeString, and
/// url.QueryEscape.
std::string escape_html(std::string_view text);
std::string escape_js(std::string_view text);
std::string escape_query(std::string_view text);
/// url.QueryUnescape; none where a % is not followed by two hex digits.
std::optional<std::string> unescape_query(std::string_view text);

/// In the alphabet for URLs, as Alertmanager has it.
std::string base64_encode(std::string_view bytes);
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace monitoring::templates
