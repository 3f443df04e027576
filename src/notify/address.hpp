#pragma once
// Mail addresses as settings hold them: "user@host" or "Display Name <user@host>".

#include <string>
#include <string_view>

#include "monitoring/base/result.hpp"

namespace monitoring::notify {

struct MailAddress {
  /// May be empty; UTF-8, free of control characters.
  std::string display_name;
  /// local@domain, RFC 5321's dot-string form.
  std::string address;
};

/// Refuses what could end a header line or an SMTP command early (CR, LF, NUL, any other control
/// character), quoted local parts and domains in brackets. The position is a byte offset in `text`.
Result<MailAddress> parse_address(std::string_view text);

}  // namespace monitoring::notify
