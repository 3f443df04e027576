#include "notify/mime.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>
#include <optional>

#include "monitoring/base/encoding.hpp"

namespace monitoring::notify {

namespace {

constexpr std::string_view kHexDigits = "0123456789ABCDEF";
/// RFC 2047: an encoded word, and a header line that has one, is at most this long.
constexpr std::size_t kLongestEncodedWord = 75;
constexpr std::size_t kLongestLine = 76;
constexpr std::string_view kWordStart = "=?utf-8?q?";
constexpr std::string_view kWordEnd = "?=";

bool control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

bool plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x7F && !control(c); });
}

/// RFC 2047, section 4.2, so that the word may also stand in an address (section 5, rule 3).
void append_q(std::string& out, char c) {
  const auto byte = static_cast<unsigned char>(c);
  if (std::isalnum(byte) != 0 || std::string_view("!*+-/").find(c) != std::string_view::npos) {
    out += c;
  } else if (c == ' ') {
    out += '_';
  } else {
    out += '=';
    out += kHexDigits[byte >> 4];
    out += kHexDigits[byte & 15];
  }
}

/// One character as it stands in an encoded word.
std::string q_encoded(std::string_view character) {
  std::string out;
  for (const char c : character) append_q(out, c);
  return out;
}

std::string encoded_words(std::string_view text, std::size_t column) {
  std::string out(kWordStart);
  std::size_t used = column + kWordStart.size();
  while (!text.empty()) {
    const std::size_t bytes = std::max<std::size_t>(1, utf8_sequence(text));
    const std::string written = q_encoded(text.substr(0, bytes));
    // No character may be split between two words (section 5).
    if (used + written.size() + kWordEnd.size() > kLongestEncodedWord) {
      out += std::string(kWordEnd) + "\r\n " + std::string(kWordStart);
      used = 1 + kWordStart.size();
    }
    out += written;
    used += written.size();
    text.remove_prefix(bytes);
  }
  return out + std::string(kWordEnd);
}

std::string quoted_name(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string without_controls(std::string_view text) {
  std::string clean = valid_utf8(text);
  std::replace_if(clean.begin(), clean.end(), control, ' ');
  return clean;
}

/// Line breaks of any kind as LF.
std::string with_line_feeds(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r') {
      out += text[i];
      continue;
    }
    out += '\n';
    if (i + 1 < text.size() && text[i + 1] == '\n') ++i;
  }
  return out;
}

bool at_line_end(std::string_view text, std::size_t at) {
  return at + 1 == text.size() || text[at + 1] == '\n';
}

/// One byte as quoted-printable writes it. White space at the end of a line may not stand as it is.
std::string qp_encoded(std::string_view text, std::size_t at) {
  const char c = text[at];
  const auto byte = static_cast<unsigned char>(c);
  const bool white = c == ' ' || c == '\t';
  if (white && !at_line_end(text, at)) return std::string(1, c);
  if (!white && c != '=' && byte > 0x20 && byte < 0x7F) return std::string(1, c);
  return {'=', kHexDigits[byte >> 4], kHexDigits[byte & 15]};
}

std::string part(std::string_view boundary, std::string_view type, std::string_view body) {
  std::string out = "--" + std::string(boundary) + "\r\n";
  out += "Content-Type: " + std::string(type) + "; charset=UTF-8\r\n";
  out += "Content-Transfer-Encoding: quoted-printable\r\n\r\n";
  return out + quoted_printable(body) + "\r\n";
}

bool header_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && static_cast<unsigned char>(c) < 0x7F && c != ':';
  });
}

/// The value without the line breaks that are folding.
std::string unfolded(std::string_view value) {
  std::string out(value);
  for (auto at = out.find("\r\n "); at != std::string::npos; at = out.find("\r\n ", at)) {
    out.erase(at, 2);
  }
  return out;
}

}  // namespace

std::string encoded_text(std::string_view text, std::size_t column) {
  const std::string clean = without_controls(text);
  if (plain(clean) && column + clean.size() <= kLongestLine) return clean;
  return encoded_words(clean, column);
}

std::string encoded_address(const MailAddress& address) {
  if (address.display_name.empty()) return address.address;
  const std::string name = without_controls(address.display_name);
  const bool short_ascii = plain(name) && name.size() <= kLongestEncodedWord;
  return (short_ascii ? quoted_name(name) : encoded_words(name, kLongestLine / 4)) + " <" +
         address.address + ">";
}

std::string mail_date(Instant instant) {
  constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds =
      std::chrono::floor<std::chrono::seconds>(instant).time_since_epoch().count();
  std::tm civil{};
  gmtime_r(&seconds, &civil);
  // Names are written out: strftime's depend on the locale.
  std::array<char, 64> rest{};
  std::string date = std::string(kDays[static_cast<std::size_t>(civil.tm_wday)]) + ", ";
  date.append(rest.data(), std::strftime(rest.data(), rest.size(), "%d ", &civil));
  date += kMonths[static_cast<std::size_t>(civil.tm_mon)];
  date.append(rest.data(), std::strftime(rest.data(), rest.size(), " %Y %H:%M:%S +0000", &civil));
  return date;
}

std::string quoted_printable(std::string_view text) {
  const std::string lines = with_line_feeds(text);
  std::string out;
  std::size_t column = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i] == '\n') {
      out += "\r\n";
      column = 0;
      continue;
    }
    const std::string written = qp_encoded(lines, i);
    // The soft break's "=" needs a place in the line, unless the line ends here anyway.
    const std::size_t room = at_line_end(lines, i) ? kLongestLine : kLongestLine - 1;
    if (column + written.size() > room) {
      out += "=\r\n";
      column = 0;
    }
    out += written;
    column += written.size();
  }
  return out;
}

std::optional<Error> MailHeaders::add(std::string_view name, std::string_view value) {
  if (!header_name(name)) return Error::of("malformed name of a mail header");
  const std::string line = unfolded(value);
  if (std::any_of(line.begin(), line.end(), control)) {
    return Error::of("mail header \"" + std::string(name) + "\" holds a line break");
  }
  text_ += std::string(name) + ": " + std::string(value) + "\r\n";
  return std::nullopt;
}

std::string alternative_parts(std::string_view boundary, std::string_view text,
                              std::string_view html) {
  return part(boundary, "text/plain", text) + part(boundary, "text/html", html) + "--" +
         std::string(boundary) + "--\r\n";
}

}  // namespace monitoring::notify
