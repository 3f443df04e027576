#include "monitoring/transport/address.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <array>
#include <cstdio>
#include <string>
#include <vector>

namespace monitoring::transport {
namespace {

bool refused(const char* text) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
    EXPECT_EQ(address_text(reinterpret_cast<sockaddr&>(v4), sizeof v4), text);
    return address_refused(reinterpret_cast<sockaddr&>(v4), sizeof v4);
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  EXPECT_EQ(inet_pton(AF_INET6, text, &v6.sin6_addr), 1) << text;
  return address_refused(reinterpret_cast<sockaddr&>(v6), sizeof v6);
}

TEST(Address, MetadataAndLinkLocalAreRefused) {
  for (const char* text : {"169.254.169.254",
                           "169.254.0.1",
                           "169.254.255.255",
                           "0.0.0.0",
                           "0.1.2.3",
                           "100.100.100.200",
                           "168.63.129.16",
                           "192.0.0.192",
                           "192.80.8.124",
                           "224.0.0.1",
                           "239.255.255.250",
                           "240.0.0.1",
                           "255.255.255.255",
                           "fe80::1",
                           "fe80::1234:5678:9abc",
                           "febf::1",
                           "::",
                           "fd00:ec2::254",
                           "fd00:ec2::23",
                           "fd00:ec2::253",
                           "fd20:ce::254",
                           "fd00:c1::a9fe:a9fe",
                           "fd00:42::42",
                           "fd00:a9fe:a9fe::1",
                           "ff02::1",
                           "100::1"}) {
    EXPECT_TRUE(refused(text)) << text;
  }
}

/// Every notation of an IPv4 address within an IPv6 one, with the four bytes as "%1$x" for their
/// high and "%2$x" for their low half.
std::vector<std::string> ipv6_forms(const char* text) {
  std::array<unsigned, 4> ip{};
  EXPECT_EQ(std::sscanf(text, "%u.%u.%u.%u", ip.data(), &ip[1], &ip[2], &ip[3]), 4) << text;
  const auto pair = [](unsigned high, unsigned low) {
    std::array<char, 8> hex{};
    std::snprintf(hex.data(), hex.size(), "%x", (high << 8) | low);
    return std::string(hex.data());
  };
  const std::string whole = pair(ip[0], ip[1]) + ":" + pair(ip[2], ip[3]);
  const std::string inverted =
      pair(~ip[0] & 0xff, ~ip[1] & 0xff) + ":" + pair(~ip[2] & 0xff, ~ip[3] & 0xff);
  return {"::" + whole,
          "::ffff:" + whole,
          "::ffff:0:" + whole,
          "64:ff9b::" + whole,
          "64:ff9b:1::" + whole,
          "64:ff9b:1:" + pair(ip[0], ip[1]) + ":" + pair(0, ip[2]) + ":" + pair(ip[3], 0) + "::",
          "64:ff9b:1:" + pair(0, ip[0]) + ":" + pair(0, ip[1]) + ":" + pair(ip[2], ip[3]) + "::",
          "64:ff9b:1:0:" + pair(0, ip[0]) + ":" + pair(ip[1], ip[2]) + ":" + pair(ip[3], 0) + ":0",
          "2002:" + whole + "::1",
          "2001:0:" + whole + "::",
          "2001::" + inverted,
          "2001:db8:1:2:0:5efe:" + whole,
          "2001:db8:1:2:200:5efe:" + whole};
}

TEST(Address, ARefusedIpv4AddressIsRefusedInEveryIpv6Form) {
  for (const char* ip :
       {"169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "192.80.8.124"}) {
    for (const std::string& form : ipv6_forms(ip))
      EXPECT_TRUE(refused(form.c_str())) << ip << " as " << form;
  }
  EXPECT_TRUE(refused("::ffff:0.0.0.0"));
}

TEST(Address, AnAllowedIpv4AddressIsAllowedInEveryIpv6Form) {
  for (const std::string& form : ipv6_forms("8.9.10.11")) {
    // Its own server under Teredo is 0.0.0.0 here, which nobody has.
    if (form.rfind("2001::", 0) == 0 || form.rfind("2001:0:", 0) == 0) continue;
    EXPECT_FALSE(refused(form.c_str())) << form;
  }
  EXPECT_FALSE(refused("2001:0:808:808::f7f6:f5f4"));
}

TEST(Address, TheRestIsAllowed) {
  for (const char* text : {"127.0.0.1",
                           "::1",
                           "::ffff:127.0.0.1",
                           "10.0.0.1",
                           "192.168.1.1",
                           "172.16.0.1",
                           "100.100.100.201",
                           "169.253.1.1",
                           "169.255.1.1",
                           "8.8.8.8",
                           "2001:4860:4860::8888",
                           "64:ff9b::808:808",
                           "64:ff9b:1:808:8:800::",
                           "fd00:ec3::254",
                           "fd12:3456:789a::1",
                           "fec0::1",
                           "168.63.129.17",
                           "192.0.1.192",
                           "192.80.8.125",
                           "223.255.255.255",
                           "100::1:0:0:0:1",
                           "2002:808:808::1"}) {
    EXPECT_FALSE(refused(text)) << text;
  }
}

TEST(Address, OtherFamiliesAndTruncatedAddressesAreRefused) {
  sockaddr_un local{};
  local.sun_family = AF_UNIX;
  EXPECT_TRUE(address_refused(reinterpret_cast<sockaddr&>(local), sizeof local));
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_TRUE(address_refused(reinterpret_cast<sockaddr&>(v4), sizeof v4 - 1));
}

}  // namespace
}  // namespace monitoring::transport
