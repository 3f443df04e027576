#include "monitoring/transport/address.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/un.h>

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
  for (const char* text :
       {"169.254.169.254", "169.254.0.1", "169.254.255.255", "0.0.0.0", "0.1.2.3",
        "100.100.100.200", "fe80::1", "febf::1", "::", "fd00:ec2::254", "fd20:ce::254"}) {
    EXPECT_TRUE(refused(text)) << text;
  }
}

TEST(Address, ARefusedIpv4AddressIsRefusedInEveryIpv6Form) {
  for (const char* text :
       {"::ffff:169.254.169.254", "::ffff:0.0.0.0", "::ffff:100.100.100.200", "::169.254.169.254",
        "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "64:ff9b:1:a9fe:a9:fe00::",
        "64:ff9b:1:a9:fe:a9fe::", "64:ff9b:1:0:a9:fea9:fe00:0", "2002:a9fe:a9fe::1"}) {
    EXPECT_TRUE(refused(text)) << text;
  }
}

TEST(Address, TheRestIsAllowed) {
  for (const char* text : {"127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "192.168.1.1",
                           "172.16.0.1", "100.100.100.201", "169.253.1.1", "169.255.1.1", "8.8.8.8",
                           "2001:4860:4860::8888", "64:ff9b::808:808", "64:ff9b:1:808:8:800::",
                           "fd00:ec2::253", "fec0::1", "2002:808:808::1"}) {
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
