#include "transport/listening_socket.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <system_error>

namespace monitoring::transport {

namespace {

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

std::optional<Address> parse(const std::string& text, std::uint16_t port) {
  Address address;
  sockaddr_in ipv4{};
  if (inet_pton(AF_INET, text.c_str(), &ipv4.sin_addr) == 1) {
    ipv4.sin_family = AF_INET;
    ipv4.sin_port = htons(port);
    address.length = sizeof ipv4;
    std::memcpy(&address.storage, &ipv4, sizeof ipv4);
    return address;
  }
  sockaddr_in6 ipv6{};
  if (inet_pton(AF_INET6, text.c_str(), &ipv6.sin6_addr) != 1) return std::nullopt;
  ipv6.sin6_family = AF_INET6;
  ipv6.sin6_port = htons(port);
  address.length = sizeof ipv6;
  std::memcpy(&address.storage, &ipv6, sizeof ipv6);
  return address;
}

std::uint16_t port_of(const Address& address) {
  // Both families have the port in the same place.
  sockaddr_in in{};
  std::memcpy(&in, &address.storage, sizeof in);
  return ntohs(in.sin_port);
}

/// Takes the number of the last error before anything else can change it.
Error failure(const std::string& address, std::uint16_t port) {
  const std::error_code code(errno, std::generic_category());
  return Error::of("could not listen on address \"" + address + "\", port " + std::to_string(port) +
                   ": " + code.message());
}

}  // namespace

Result<ListeningSocket> listen_on(const std::string& address, std::uint16_t port) {
  std::optional<Address> wanted = parse(address, port);
  if (!wanted) return Error::of("\"" + address + "\" is no IPv4 or IPv6 address");
  const int fd =
      socket(wanted->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
  if (fd < 0) return failure(address, port);
  // Connections that a predecessor left behind do not keep the port.
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, wanted->get(), wanted->length) != 0 || listen(fd, SOMAXCONN) != 0) {
    const Error error = failure(address, port);
    close(fd);
    return error;
  }
  getsockname(fd, wanted->get(), &wanted->length);
  return ListeningSocket{fd, port_of(*wanted)};
}

}  // namespace monitoring::transport
