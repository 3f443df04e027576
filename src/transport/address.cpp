#include "monitoring/transport/address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace monitoring::transport {

namespace {

using Bytes4 = std::array<std::uint8_t, 4>;
using Bytes16 = std::array<std::uint8_t, 16>;

bool is_metadata(const Bytes4& ip) {
  return (ip[0] == 169 && ip[1] == 254) || ip == Bytes4{100, 100, 100, 200};
}

bool ipv4_refused(const Bytes4& ip) {
  return ip[0] == 0 || is_metadata(ip);
}

template <std::size_t N>
bool starts_with(const Bytes16& ip, const std::array<std::uint8_t, N>& prefix) {
  return std::equal(prefix.begin(), prefix.end(), ip.begin());
}

Bytes4 ipv4_at(const Bytes16& ip, std::size_t offset) {
  return {ip[offset], ip[offset + 1], ip[offset + 2], ip[offset + 3]};
}

bool is_loopback(const Bytes16& ip) {
  Bytes16 loopback{};
  loopback[15] = 1;
  return ip == loopback;
}

/// Whether an IPv6 address carries a refused IPv4 address.
bool embeds_refused(const Bytes16& ip) {
  constexpr std::array<std::uint8_t, 12> kCompatible{};
  constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  constexpr std::array<std::uint8_t, 12> kNat64{0, 0x64, 0xff, 0x9b};
  constexpr std::array<std::uint8_t, 6> kLocalNat64{0, 0x64, 0xff, 0x9b, 0, 1};
  constexpr std::array<std::uint8_t, 2> k6to4{0x20, 0x02};

  if (starts_with(ip, kCompatible) || starts_with(ip, kMapped) || starts_with(ip, kNat64)) {
    return ipv4_refused(ipv4_at(ip, 12));
  }
  if (starts_with(ip, kLocalNat64)) {
    // RFC 6052: a /96 below it has the address at the end, a /48 around the zero byte 8, a /56
    // around it one byte later, a /64 after it. The network's choice is not known here, and a zero
    // in one place says nothing.
    return is_metadata(ipv4_at(ip, 12)) || is_metadata({ip[6], ip[7], ip[9], ip[10]}) ||
           is_metadata({ip[7], ip[9], ip[10], ip[11]}) || is_metadata(ipv4_at(ip, 9));
  }
  if (starts_with(ip, k6to4)) return ipv4_refused(ipv4_at(ip, 2));
  return false;
}

bool ipv6_refused(const Bytes16& ip) {
  constexpr Bytes16 kAmazonMetadata{0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x54};
  constexpr Bytes16 kGoogleMetadata{0xfd, 0x20, 0x00, 0xce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x54};

  if (is_loopback(ip)) return false;
  if (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80) return true;
  if (ip == kAmazonMetadata || ip == kGoogleMetadata) return true;
  return embeds_refused(ip);
}

}  // namespace

bool address_refused(const sockaddr& address, socklen_t length) {
  if (address.sa_family == AF_INET && length >= sizeof(sockaddr_in)) {
    sockaddr_in in{};
    std::memcpy(&in, &address, sizeof in);
    Bytes4 bytes{};
    std::memcpy(bytes.data(), &in.sin_addr, bytes.size());
    return ipv4_refused(bytes);
  }
  if (address.sa_family == AF_INET6 && length >= sizeof(sockaddr_in6)) {
    sockaddr_in6 in{};
    std::memcpy(&in, &address, sizeof in);
    Bytes16 bytes{};
    std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
    return ipv6_refused(bytes);
  }
  return true;
}

std::string address_text(const sockaddr& address, socklen_t length) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.sa_family == AF_INET && length >= sizeof(sockaddr_in)) {
    sockaddr_in in{};
    std::memcpy(&in, &address, sizeof in);
    inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
  } else if (address.sa_family == AF_INET6 && length >= sizeof(sockaddr_in6)) {
    sockaddr_in6 in{};
    std::memcpy(&in, &address, sizeof in);
    inet_ntop(AF_INET6, &in.sin6_addr, text, sizeof text);
  }
  return text;
}

}  // namespace monitoring::transport
