#include "monitoring/notify/secret_terms.hpp"

#include <gtest/gtest.h>

#include "monitoring/base/json.hpp"

namespace monitoring::notify {
namespace {

using List = std::vector<std::string>;

bool allowed(const SecretTerms& terms, const char* kind, const char* url,
             const char* value = "v4lue") {
  return !check_destination("s", terms, kind, destination_of_url(url), value);
}

TEST(SecretTerms, DestinationsOfUrls) {
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {"https://Hooks.Example.com/a?b=c", "hooks.example.com", "443"},
      {"http://h.example:8080", "h.example", "8080"},
      {"https://h.example./x", "h.example", "443"},
      {"https://key@o1.ingest.sentry.io/1", "o1.ingest.sentry.io", "443"},
      {"https://good.example@evil.example/", "evil.example", "443"},
      {"http://[::1]:81/", "::1", "81"},
      {"smtps://mail.example:465", "mail.example", "465"},
      {"tls://mail.example:993", "mail.example", "993"},
      {"http://h.example?x=@good.example", "h.example", "80"}};
  for (const auto& [url, host, port] : cases) {
    const auto found = destination_of_url(url);
    ASSERT_TRUE(found) << url;
    EXPECT_EQ(found->host, host) << url;
    EXPECT_EQ(found->port, port) << url;
  }
  for (const char* url : {"", "no url", "http:///x", "R0123456789"}) {
    EXPECT_FALSE(destination_of_url(url)) << url;
  }
}

TEST(SecretTerms, WithoutAListASecretGoesHomeOnly) {
  const SecretTerms nothing;
  EXPECT_TRUE(allowed(nothing, "pagerduty", "https://events.pagerduty.com/v2/enqueue"));
  EXPECT_TRUE(allowed(nothing, "sms", "https://api.twilio.com/2010-04-01/Accounts/"));
  EXPECT_FALSE(allowed(nothing, "pagerduty", "https://evil.example/"));
  EXPECT_FALSE(allowed(nothing, "pagerduty", "http://events.pagerduty.com/"));
  EXPECT_FALSE(allowed(nothing, "pagerduty", "https://events.pagerduty.com.evil.example/"));
  EXPECT_FALSE(allowed(nothing, "webhook", "https://events.pagerduty.com/"));
  EXPECT_FALSE(allowed(nothing, "webhook", "https://evil.example/"));
  EXPECT_FALSE(allowed(nothing, "probe", "https://evil.example/"));
  EXPECT_FALSE(allowed(nothing, "email", "smtp://evil.example:25"));
}

TEST(SecretTerms, ASecretThatIsAUrlGoesWhereItSays) {
  const SecretTerms nothing;
  EXPECT_TRUE(allowed(nothing, "webhook", "https://h.example/x", "https://h.example/x"));
  EXPECT_TRUE(allowed(nothing, "sentry", "https://h.example/api/1", "https://key@h.example/1"));
  EXPECT_FALSE(allowed(nothing, "webhook", "https://evil.example/", "https://h.example/x"));
  EXPECT_FALSE(allowed(nothing, "webhook", "https://h.example:8443/", "https://h.example/x"));
  SecretTerms listed;
  listed.allowed_hosts = List{"other.example"};
  EXPECT_FALSE(allowed(listed, "webhook", "https://h.example/x", "https://h.example/x"));
}

TEST(SecretTerms, WhoIsTrustedChoosesUnlessThereIsAList) {
  SecretTerms trusted;
  trusted.is_trusted = true;
  EXPECT_TRUE(allowed(trusted, "webhook", "https://anywhere.example/"));
  trusted.allowed_hosts = List{"h.example"};
  EXPECT_FALSE(allowed(trusted, "webhook", "https://anywhere.example/"));
  EXPECT_TRUE(allowed(trusted, "webhook", "https://h.example/"));
  trusted.allowed_kinds = List{"slack"};
  EXPECT_FALSE(allowed(trusted, "webhook", "https://h.example/"));
  EXPECT_TRUE(allowed(trusted, "slack", "https://h.example/"));
}

TEST(SecretTerms, HostsOfAList) {
  SecretTerms terms;
  terms.allowed_hosts = List{"Hooks.Example.com", "*.corp.example", "port.example:8443", "::1"};
  for (const char* url :
       {"https://hooks.example.com/", "http://hooks.example.com:99/", "https://a.corp.example/",
        "https://a.b.corp.example/", "https://port.example:8443/", "http://[::1]/"}) {
    EXPECT_TRUE(allowed(terms, "webhook", url)) << url;
  }
  for (const char* url :
       {"https://example.com/", "https://evil-hooks.example.com/", "https://corp.example/",
        "https://evilcorp.example/", "https://port.example/",
        "https://hooks.example.com@evil.example/", "https://hooks.example.com.evil.example/",
        "https://events.pagerduty.com/"}) {
    EXPECT_FALSE(allowed(terms, "pagerduty", url)) << url;
  }
  terms.allowed_hosts = List{"*"};
  EXPECT_TRUE(allowed(terms, "webhook", "https://anywhere.example/"));
}

TEST(SecretTerms, ListsAreChecked) {
  EXPECT_FALSE(check_allowed_kinds({"pagerduty", "probe", "webhook"}));
  for (const List& kinds : {List{}, List{"Slack"}, List{"pagerduty", ""}, List(101, "slack")}) {
    EXPECT_TRUE(check_allowed_kinds(kinds));
  }
  EXPECT_FALSE(check_allowed_hosts(
      {"a.example", "a.example:1", "*.a.example", "*", "10.0.0.1", "[::1]:80"}));
  for (const char* host : {"", "a b", "https://a.example", "a.example/x", "*a.example",
                           "a.*.example", "u@a.example", "a.example:0", "a.example:x", "a\nb"}) {
    EXPECT_TRUE(check_allowed_hosts({host})) << host;
  }
}

TEST(SecretTerms, DestinationsOfSettings) {
  EXPECT_EQ(known_destination("webhook", {{"url", "https://h.example/x"}})->host, "h.example");
  EXPECT_EQ(known_destination("pagerduty", Json::object())->host, "events.pagerduty.com");
  EXPECT_EQ(known_destination("pagerduty", {{"url", "https://h.example"}})->host, "h.example");
  EXPECT_EQ(known_destination("email", {{"smarthost", "m.example:2525"}})->port, "2525");
  EXPECT_EQ(known_destination("email", {{"smarthost", "m.example"}})->port, "587");
  EXPECT_FALSE(known_destination("webhook", {{"url", {{"secret", "u"}}}}));
  EXPECT_FALSE(known_destination("webhook", Json::array()));
}

TEST(SecretTerms, MessagesNameNoValue) {
  const auto error =
      check_destination("s", {}, "webhook", destination_of_url("https://h.example"), "v4lue");
  ASSERT_TRUE(error);
  EXPECT_EQ(error->message, "secret \"s\" may not be sent to host \"h.example\", port 443");
  EXPECT_EQ(error->hint.find("v4lue"), std::string::npos);
}

}  // namespace
}  // namespace monitoring::notify
