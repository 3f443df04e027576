#include "monitoring/notify/redaction.hpp"

#include <gtest/gtest.h>

namespace monitoring::notify {
namespace {

std::string redacted(const std::string& text, std::initializer_list<const char*> secrets) {
  Redaction redaction;
  for (const char* secret : secrets) redaction.add_secret(secret);
  return redaction.apply(text);
}

TEST(Redaction, TakesOutEveryOccurrence) {
  EXPECT_EQ(redacted("key s3sam3 is not s3sam3.", {"s3sam3"}), "key [secret] is not [secret].");
  EXPECT_EQ(redacted("nothing", {"s3sam3"}), "nothing");
  EXPECT_EQ(redacted("", {"s3sam3"}), "");
}

TEST(Redaction, KnowsOtherSpellings) {
  EXPECT_EQ(redacted(R"({"error":"bad \"k\\1"})", {R"("k\1)"}), R"({"error":"bad [secret]"})");
  EXPECT_EQ(redacted("no user a%20b%2Fc", {"a b/c"}), "no user [secret]");
}

TEST(Redaction, OfAUrlAlsoWhatFollowsTheHost) {
  EXPECT_EQ(redacted("404: /services/T0/B0/x at hooks.example.com",
                     {"https://hooks.example.com/services/T0/B0/x"}),
            "404: [secret] at hooks.example.com");
  EXPECT_EQ(redacted("404: / at hooks.example.com", {"https://hooks.example.com/"}),
            "404: / at hooks.example.com");
}

TEST(Redaction, TakesTheLongestFirst) {
  EXPECT_EQ(redacted("abcdefgh abcd", {"abcd", "abcdefgh"}), "[secret] [secret]");
}

TEST(Redaction, AlsoWhereTheTextWasCutOff) {
  EXPECT_EQ(redacted("the key is s3sa", {"s3sam3"}), "the key is [secret]");
  EXPECT_EQ(redacted("the key is s3s", {"s3sam3"}), "the key is s3s") << "too short to tell";
}

TEST(Redaction, LeavesWhatIsTooShort) {
  EXPECT_EQ(redacted("a b c", {"", "b", "b c"}), "a b c");
}

TEST(Redaction, HidesCredentialsOfTheRequest) {
  HttpDelivery http;
  http.headers = {{"Authorization", "Basic dXNlcjpwYXNz"}, {"X-Team", "ops"}};
  Redaction redaction;
  redaction.add_request(http);
  redaction.add_request(MailDelivery{});
  EXPECT_EQ(redaction.apply("got Basic dXNlcjpwYXNz from ops"), "got Basic [secret] from ops");
}

}  // namespace
}  // namespace monitoring::notify
