#include "notify/settings.hpp"

#include "samples.hpp"

namespace monitoring::notify {
namespace {

using namespace testing;  // NOLINT: the samples of this folder

TEST(Settings, AnUnknownKeyIsAnErrorWithTheNearestKnownOne) {
  const auto error = check_settings(
      "pagerduty", Json::parse_or_null(R"({"routing_key": {"secret": "a"}, "rooting_kye": "b"})"));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->message, "unknown setting \"rooting_kye\"");
  EXPECT_NE(error->hint.find("Did you mean \"routing_key\"?"), std::string::npos) << error->hint;

  const auto far = check_settings("pagerduty", Json::parse_or_null(R"({"zzzzzzzzzzzzzzzzzz": 1})"));
  ASSERT_TRUE(far);
  EXPECT_EQ(far->hint.find("Did you mean"), std::string::npos);
  EXPECT_NE(far->hint.find("Known settings: routing_key, url"), std::string::npos);
  EXPECT_EQ(check_settings("log", Json::parse_or_null(R"({"level": "info"})"))->hint,
            "Known settings: rate_limit.");
}

TEST(Settings, ALiteralInASecretFieldIsRefusedAndNotShown) {
  const struct {
    const char* kind;
    const char* settings;
    const char* field;
  } cases[] = {
      {"pagerduty", R"({"routing_key": "s3cr3t"})", "routing_key"},
      {"slack", R"({"url": "https://hooks.example/s3cr3t"})", "url"},
      {"sentry", R"({"dsn": "https://s3cr3t@sentry.example/1"})", "dsn"},
      {"sms", R"({"account_sid": "AC1", "auth_token": "s3cr3t", "from": "1", "to": "2"})",
       "auth_token"},
      {"email",
       R"({"smarthost": "h:25", "from": "a@b.c", "to": "a@b.c", "username": "u",
           "password": "s3cr3t"})",
       "password"},
      {"webhook", R"({"url": "http://h", "hmac_secret": "s3cr3t"})", "hmac_secret"},
      {"webhook", R"({"url": "http://h", "bearer_token": "s3cr3t"})", "bearer_token"},
  };
  for (const auto& bad : cases) {
    const auto error = check_settings(bad.kind, Json::parse_or_null(bad.settings));
    ASSERT_TRUE(error) << bad.settings;
    EXPECT_EQ(error->message, "setting \"" + std::string(bad.field) + "\" must name a secret");
    EXPECT_NE(error->hint.find("set_secret"), std::string::npos);
    EXPECT_EQ((error->message + error->hint).find("s3cr3t"), std::string::npos);
  }
}

TEST(Settings, AWebhooksUrlMayBeALiteralOrASecret) {
  EXPECT_EQ(complaint("webhook", Json::parse_or_null(R"({"url": "http://127.0.0.1:8/x?y=z"})")),
            "");
  EXPECT_EQ(complaint("webhook", Json::parse_or_null(R"({"url": {"secret": "hook"}})")), "");
  EXPECT_EQ(complaint("webhook", Json::parse_or_null("{}")), "setting \"url\" is missing");
  EXPECT_NE(complaint("webhook", Json::parse_or_null(R"({"url": "ftp://h/"})")), "");
  EXPECT_NE(complaint("webhook", Json::parse_or_null(R"({"url": "http:///x"})")), "");
  EXPECT_NE(complaint("webhook", Json::parse_or_null(R"({"url": 7})")), "");
}

TEST(Settings, TheUrlOfEveryKindMayBeSet) {
  for (const char* kind : {"pagerduty", "sentry", "sms"}) {
    Json settings = settings_of(kind);
    settings["url"] = "http://127.0.0.1:8080/own";
    EXPECT_EQ(complaint(kind, settings), "");
    EXPECT_EQ(http_request(kind, cpu_notification(), settings).url, "http://127.0.0.1:8080/own");
    settings["url"] = Json::parse_or_null(R"({"secret": "hook"})");
    EXPECT_EQ(http_request(kind, cpu_notification(), settings).url,
              "https://hooks.example/services/T0/B0/s3cr3t-h00k");
  }
}

TEST(Settings, TypesAreChecked) {
  const auto webhook = [](const char* field, const char* value) {
    Json settings = {{"url", "http://h"}};
    settings[field] = Json::parse_or_null(value);
    return complaint("webhook", settings);
  };
  EXPECT_EQ(webhook("max_alerts", "5"), "");
  EXPECT_EQ(webhook("max_alerts", "-1"), "setting \"max_alerts\" must be an integer, 0 or more");
  EXPECT_EQ(webhook("max_alerts", "1.5"), "setting \"max_alerts\" must be an integer, 0 or more");
  EXPECT_EQ(webhook("method", "\"PUT\""), "");
  EXPECT_EQ(webhook("method", "\"POST PUT\""), "setting \"method\" must be one of: POST PUT PATCH");
  EXPECT_EQ(webhook("method", "\"\""), "setting \"method\" must be one of: POST PUT PATCH");
  EXPECT_EQ(webhook("url", "null"), "setting \"url\" must be an http or https URL, or a secret");
  EXPECT_EQ(complaint("webhook", Json::array()), "receiver settings must be a JSON object");

  Json mail = settings_of("email");
  mail["require_tls"] = "yes";
  EXPECT_EQ(complaint("email", mail), "setting \"require_tls\" must be true or false");
}

TEST(Settings, HeadersCannotBeInjectedAndCredentialsAreSecrets) {
  const auto header = [](const char* headers) {
    Json settings = {{"url", "http://h"}, {"headers", Json::parse_or_null(headers)}};
    return complaint("webhook", settings);
  };
  EXPECT_EQ(header(R"({"X-Env": "prod", "X-Key": {"secret": "key"}})"), "");
  EXPECT_EQ(header(R"({"authorization": {"secret": "key"}})"), "");
  EXPECT_EQ(header(R"({"Authorization": "Bearer s3cr3t"})"),
            "header \"Authorization\" must name a secret");
  EXPECT_NE(header(R"({"X-Env": "a\r\nX-Evil: b"})"), "");
  EXPECT_NE(header(R"({"X-Env\r\nX-Evil": "a"})"), "");
  EXPECT_NE(header(R"({"X Env": "a"})"), "");
  EXPECT_NE(header(R"({"": "a"})"), "");
  EXPECT_NE(header(R"({"X-Env": 1})"), "");
  EXPECT_NE(header(R"([])"), "");
  for (const char* name : {"Content-Length", "transfer-encoding", "Host", "Connection", "Expect"}) {
    const std::string headers = "{\"" + std::string(name) + "\": \"3\"}";
    EXPECT_NE(header(headers.c_str()), "") << name;
    const std::string secret = "{\"" + std::string(name) + "\": {\"secret\": \"a\"}}";
    EXPECT_NE(header(secret.c_str()), "") << name;
    EXPECT_NE(complaint("webhook", {{"url", "http://h"}, {"signature_header", name}}), "") << name;
  }
  EXPECT_NE(header(R"({"X-Api-Key": "abc"})"), "");
  EXPECT_NE(header(R"({"X-Any": "Bearer abc"})"), "");
}

TEST(Settings, LinksAndImagesHaveAddresses) {
  const auto with = [](const char* field, const char* value) {
    Json settings = settings_of("pagerduty");
    settings[field] = Json::parse_or_null(value);
    return complaint("pagerduty", settings);
  };
  EXPECT_EQ(with("links", R"([{"href": "https://a.example", "text": "A"}])"), "");
  EXPECT_EQ(with("images", R"([{"src": "https://a.example/i.png", "alt": "A"}])"), "");
  EXPECT_NE(with("links", R"([{"text": "A"}])"), "");
  EXPECT_NE(with("links", R"([{"href": "javascript:alert"}])"), "");
  EXPECT_NE(with("links", R"([{"href": "https://a.example", "alt": "A"}])"), "");
  EXPECT_NE(with("links", R"({"href": "https://a.example"})"), "");
  EXPECT_NE(with("details", R"({"a": 1})"), "");
}

TEST(Settings, ListsMayBeTextOrArrays) {
  const Json settings = Json::parse_or_null(R"({"a": " x , ,y,", "b": ["x", "y,z"], "c": 1})");
  EXPECT_EQ(list_setting(settings, "a"), (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(list_setting(settings, "b"), (std::vector<std::string>{"x", "y,z"}));
  EXPECT_TRUE(list_setting(settings, "c").empty());
  EXPECT_TRUE(list_setting(settings, "d").empty());
}

TEST(Settings, MailUrls) {
  EXPECT_TRUE(is_mail_url("smtp://mail.example:587"));
  EXPECT_TRUE(is_mail_url("smtps://[::1]:465"));
  EXPECT_TRUE(is_mail_url("smtp://mail.example"));
  EXPECT_FALSE(is_mail_url("http://mail.example"));
  EXPECT_FALSE(is_mail_url("smtp://mail.example/path"));
  EXPECT_FALSE(is_mail_url("smtp://"));
  EXPECT_FALSE(is_mail_url("smtp://user:pass@mail.example"));
  EXPECT_FALSE(is_mail_url("mail.example:25"));
}

}  // namespace
}  // namespace monitoring::notify
