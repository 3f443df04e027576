#include "monitoring/base/http_header.hpp"

#include <gtest/gtest.h>

namespace monitoring {
namespace {

TEST(HttpHeader, NamesAndValues) {
  EXPECT_TRUE(header_name_allowed("X-Team"));
  for (const char* name : {"", "X Team", "X:Team", "X\r\nY", "X\tY", "\xc3\xa4"}) {
    EXPECT_FALSE(header_name_allowed(name)) << name;
  }
  EXPECT_TRUE(header_value_allowed("a\tb \xc3\xa4"));
  for (const char* value : {"a\r\nb", "a\nb", "\x01", "\x7f"})
    EXPECT_FALSE(header_value_allowed(value));
}

TEST(HttpHeader, TheConnectionsOwn) {
  for (const char* name :
       {"Content-Length", "CONTENT-LENGTH", "Transfer-Encoding", "Host", "Connection", "Keep-Alive",
        "TE", "Trailer", "Trailers", "Upgrade", "Expect", "Via", "HTTP2-Settings",
        "Proxy-Connection", "Proxy-Authorization", "Proxy-Authenticate"}) {
    EXPECT_TRUE(is_connection_header(name)) << name;
  }
  for (const char* name : {"Content-Type", "X-Host", "Accept", "User-Agent", "Content-Language"}) {
    EXPECT_FALSE(is_connection_header(name)) << name;
  }
}

TEST(HttpHeader, Credentials) {
  for (const char* name :
       {"Authorization", "authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "Api-Key",
        "apikey", "DD-API-KEY", "X-Auth-Token", "X-Auth-Key", "PRIVATE-TOKEN", "X-Vault-Token",
        "X-Amz-Security-Token", "X-Gitlab-Token", "X-Secret", "X-Password", "X-Access-Key",
        "X-Session-Id", "X-JWT-Assertion"}) {
    EXPECT_TRUE(carries_credentials(name, "x")) << name;
  }
  for (const char* value : {"Bearer abc", "bearer abc", "Basic dXNlcg==", "Token token=x",
                            "AWS4-HMAC-SHA256 Credential=x"}) {
    EXPECT_TRUE(carries_credentials("X-Forwarded-As", value)) << value;
  }
  for (const char* name : {"X-Team", "Content-Type", "Accept", "X-Author", "X-Environment",
                           "X-Scope-OrgID", "User-Agent"}) {
    EXPECT_FALSE(carries_credentials(name, "ops")) << name;
  }
}

}  // namespace
}  // namespace monitoring
