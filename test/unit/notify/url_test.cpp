#include "monitoring/notify/url.hpp"

#include <gtest/gtest.h>

namespace monitoring::notify {
namespace {

TEST(HttpUrl, Parts) {
  const auto plain = check_http_url("https://hooks.example.com/services/T0/B0?x=%20y");
  ASSERT_TRUE(plain.ok()) << plain.error().message;
  EXPECT_EQ(plain->scheme, "https");
  EXPECT_EQ(plain->host, "hooks.example.com");
  EXPECT_EQ(plain->port, "");
  EXPECT_EQ(plain->target, "/services/T0/B0?x=%20y");

  const auto ipv6 = check_http_url("HTTP://[::1]:8080");
  ASSERT_TRUE(ipv6.ok());
  EXPECT_EQ(ipv6->host, "::1");
  EXPECT_EQ(ipv6->port, "8080");
  EXPECT_EQ(ipv6->target, "");
  EXPECT_EQ(check_http_url("http://host?q=a@b")->target, "?q=a@b");
}

struct Bad {
  const char* url;
  std::size_t position;
  const char* message;
};

TEST(HttpUrl, RefusalsNameThePlace) {
  for (const Bad& bad : {
           Bad{"", 0, "malformed URL"},
           Bad{"hooks.example.com/x", 0, "malformed URL"},
           Bad{"http:/hooks.example.com", 0, "malformed URL"},
           Bad{"://x", 0, "malformed URL"},
           Bad{"file:///etc/passwd", 0, "URL scheme \"file\" is not supported"},
           Bad{"gopher://host/", 0, "URL scheme \"gopher\" is not supported"},
           Bad{"httpss://host/", 0, "URL scheme \"httpss\" is not supported"},
           Bad{"http://", 7, "URL has no host"},
           Bad{"http:///path", 7, "URL has no host"},
           Bad{"http://:80/", 7, "URL has no host"},
           Bad{"http://user:pw@host/", 7, "URL holds a user name or password"},
           Bad{"http://host:0/", 12, "malformed port in URL"},
           Bad{"http://host:65536/", 12, "malformed port in URL"},
           Bad{"http://host:/", 12, "malformed port in URL"},
           Bad{"http://host:8x/", 12, "malformed port in URL"},
           Bad{"http://[::1/", 7, "\"[\" without \"]\" in URL"},
           Bad{"http://[::1]x/", 13, "malformed port in URL"},
           Bad{"http://[::g]/", 7, "malformed IPv6 address in URL"},
           Bad{"http://ho$t/", 7, "malformed host name in URL"},
           Bad{"http://host/a b", 13, "malformed URL"},
           Bad{"http://host/a\r\nX: y", 13, "malformed URL"},
           Bad{"http://host/#x", 12, "URL has a fragment"},
       }) {
    const auto result = check_http_url(bad.url);
    ASSERT_FALSE(result.ok()) << bad.url;
    EXPECT_EQ(result.error().message, bad.message) << bad.url;
    EXPECT_EQ(result.error().position, bad.position) << bad.url;
  }
  EXPECT_FALSE(check_http_url("http://host/" + std::string(9000, 'x')).ok());
  EXPECT_FALSE(check_http_url(std::string_view("http://host/\0", 13)).ok());
}

}  // namespace
}  // namespace monitoring::notify
