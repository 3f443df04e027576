#pragma once
// Writing mail messages: header lines (RFC 5322, encoded words of RFC 2047) and parts (RFC 2045,
// RFC 2046). Lines end in CRLF; dot-stuffing is the transport's.

#include <string>
#include <string_view>
#include <vector>

#include "monitoring/base/clock.hpp"
#include "monitoring/base/result.hpp"
#include "notify/address.hpp"

namespace monitoring::notify {

/// Unstructured text for a header: as it is where it is short printable ASCII, else as encoded
/// words ("=?utf-8?q?...?="), folded so that no line is longer than 76 characters. Line breaks and
/// other control characters cannot get through: they become spaces.
std::string encoded_text(std::string_view text, std::size_t column);

/// An address for From, To, Cc, Reply-To: "Name <user@host>", the name quoted or encoded as needed.
std::string encoded_address(const MailAddress& address);

/// RFC 5322, section 3.3, in UTC: "Sat, 21 Nov 2026 00:34:59 +0000".
std::string mail_date(Instant instant);

/// RFC 2045, section 6.7: lines of at most 76 characters, line breaks of any kind as CRLF.
std::string quoted_printable(std::string_view text);

/// Header lines of a message, in the order in which they were added.
class MailHeaders {
 public:
  /// Refuses names that are none and values with a CR, LF or NUL that is not part of folding
  /// ("\r\n "): nobody adds a header by way of a value.
  std::optional<Error> add(std::string_view name, std::string_view value);
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// multipart/alternative with a text and an HTML part. `boundary` must occur in neither.
std::string alternative_parts(std::string_view boundary, std::string_view text,
                              std::string_view html);

}  // namespace monitoring::notify
