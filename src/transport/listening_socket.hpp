#pragma once
// A socket that listens on one address, for the HTTP server.

#include <cstdint>
#include <string>

#include "monitoring/base/result.hpp"

namespace monitoring::transport {

struct ListeningSocket {
  int fd;  ///< non-blocking; the caller's
  std::uint16_t port;
};

/// `address` is an IPv4 or IPv6 address; port 0 is any free one.
Result<ListeningSocket> listen_on(const std::string& address, std::uint16_t port);

}  // namespace monitoring::transport
