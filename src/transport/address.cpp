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

/// Addresses under which clouds answer every guest, with credentials among the answers.
bool is_metadata(const Bytes4& ip) {
  constexpr Bytes4 kAlibaba{100, 100, 100, 200};
  constexpr Bytes4 kAzureWireServer{168, 63, 129, 16};
  constexpr Bytes4 kEquinix{192, 80, 8, 124};
  const bool is_link_local = ip[0] == 169 && ip[1] == 254;
  // Oracle's classic cloud answers under 192.0.0.192, within the block of protocol assignments.
  const bool is_protocol_assignment = ip[0] == 192 && ip[1] == 0 && ip[2] == 0;
  return is_link_local || is_protocol_assignment || ip == kAlibaba || ip == kAzureWireServer ||
         ip == kEquinix;
}

/// Beyond those, "this network", which Linux takes for the host itself, and what names no single
/// host: multicast, reserved and broadcast.
bool ipv4_refused(const Bytes4& ip) {
  return ip[0] == 0 || ip[0] >= 224 || is_metadata(ip);
}

template <std::size_t N>
bool starts_with(const Bytes16& ip, const std::array<std::uint8_t, N>& prefix) {
  return std::equal(prefix.begin(), prefix.end(), ip.begin());
}

Bytes4 ipv4_at(const Bytes16& ip, std::size_t offset) {
  return {ip[offset], ip[offset + 1], ip[offset + 2], ip[offset + 3]};
}

std::uint8_t flipped(std::uint8_t byte) {
  return static_cast<std::uint8_t>(~byte);
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
  constexpr std::array<std::uint8_t, 12> kTranslated{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0};
  constexpr std::array<std::uint8_t, 12> kNat64{0, 0x64, 0xff, 0x9b};
  constexpr std::array<std::uint8_t, 6> kLocalNat64{0, 0x64, 0xff, 0x9b, 0, 1};
  constexpr std::array<std::uint8_t, 2> k6to4{0x20, 0x02};
  constexpr std::array<std::uint8_t, 4> kTeredo{0x20, 0x01, 0, 0};

  if (starts_with(ip, kCompatible) || starts_with(ip, kMapped) || starts_with(ip, kTranslated) ||
      starts_with(ip, kNat64)) {
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
  if (starts_with(ip, kTeredo)) {
    // Its server, and the client behind it with every bit inverted.
    const Bytes4 client = ipv4_at(ip, 12);
    return ipv4_refused(ipv4_at(ip, 4)) || ipv4_refused({flipped(client[0]), flipped(client[1]),
                                                         flipped(client[2]), flipped(client[3])});
  }
  // ISATAP: under any prefix, marked in the interface's half.
  const bool is_isatap = (ip[8] & 0xfd) == 0 && ip[9] == 0 && ip[10] == 0x5e && ip[11] == 0xfe;
  return is_isatap && ipv4_refused(ipv4_at(ip, 12));
}

/// Unique local prefixes that clouds keep for services to their guests.
bool is_cloud_service(const Bytes16& ip) {
  constexpr std::array<std::uint8_t, 4> kAmazon{0xfd, 0x00, 0x0e, 0xc2};
  constexpr std::array<std::uint8_t, 4> kGoogle{0xfd, 0x20, 0x00, 0xce};
  constexpr std::array<std::uint8_t, 4> kOracle{0xfd, 0x00, 0x00, 0xc1};
  constexpr std::array<std::uint8_t, 4> kScaleway{0xfd, 0x00, 0x00, 0x42};
  constexpr std::array<std::uint8_t, 6> kLinode{0xfd, 0x00, 0xa9, 0xfe, 0xa9, 0xfe};
  return starts_with(ip, kAmazon) || starts_with(ip, kGoogle) || starts_with(ip, kOracle) ||
         starts_with(ip, kScaleway) || starts_with(ip, kLinode);
}

bool ipv6_refused(const Bytes16& ip) {
  constexpr std::array<std::uint8_t, 8> kDiscard{0x01, 0x00};
  if (is_loopback(ip)) return false;
  const bool is_link_local = ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80;
  const bool is_multicast = ip[0] == 0xff;
  if (is_link_local || is_multicast || starts_with(ip, kDiscard)) return true;
  return is_cloud_service(ip) || embeds_refused(ip);
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
