#pragma once
// The check that a receiver's URL passes before it is stored. Only the shape is looked at; which
// addresses may be connected to is decided when connecting.

#include <string_view>

#include "monitoring/base/result.hpp"

namespace monitoring::notify {

/// The parts of an http or https URL; views into the text that was checked.
struct HttpUrl {
  std::string_view scheme;
  /// Without the brackets of an IPv6 address.
  std::string_view host;
  /// As written; empty for the scheme's own.
  std::string_view port;
  /// From the first "/", "?" on; may be empty. No fragment.
  std::string_view target;
};

/// Errors, with the position: a scheme other than http and https, no host, a user name or password
/// before the host, a port out of range, a character that does not belong into a URL.
Result<HttpUrl> check_http_url(std::string_view url);

}  // namespace monitoring::notify
