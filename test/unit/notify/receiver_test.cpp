#include "monitoring/notify/receiver.hpp"

#include "samples.hpp"

namespace monitoring::notify {
namespace {

using namespace testing;  // NOLINT: the samples of this folder

const std::vector<std::string> kAllKinds = {"pagerduty", "slack", "email", "webhook",
                                            "sentry",    "sms",   "log"};

TEST(Receiver, DefaultsOfSendResolvedAreAlertmanagers) {
  for (const char* kind : {"pagerduty", "webhook", "log"}) {
    EXPECT_TRUE(find_receiver_kind(kind)->send_resolved_default) << kind;
  }
  for (const char* kind : {"slack", "email", "sentry", "sms"}) {
    EXPECT_FALSE(find_receiver_kind(kind)->send_resolved_default) << kind;
  }
  EXPECT_EQ(receiver_kind_names(), "pagerduty, slack, email, webhook, sentry, sms, log");
}

TEST(Receiver, AnUnknownKindIsAnError) {
  const auto error = check_settings("pigeon", Json::object());
  ASSERT_TRUE(error);
  EXPECT_EQ(error->message, "unknown receiver kind \"pigeon\"");
  EXPECT_NE(error->hint.find("pagerduty"), std::string::npos);
  EXPECT_FALSE(store_payload("pigeon", cpu_notification(), Json::object(), kNow).ok());
  EXPECT_FALSE(wire_request("pigeon", Json::object(), Json::object(), lookup, kNow).ok());
}

TEST(Receiver, EveryKindMakesARequestOfItsMinimalSettings) {
  for (const auto& kind : kAllKinds) {
    EXPECT_EQ(complaint(kind, settings_of(kind)), "") << kind;
    for (const auto& notification : {cpu_notification(), resolved_notification(), Notification()}) {
      (void)requested(kind, notification, settings_of(kind));
    }
  }
}

TEST(Receiver, AStoredPayloadHoldsNoSecret) {
  for (const auto& kind : kAllKinds) {
    const std::string payload = composed(kind, cpu_notification(), settings_of(kind)).dump();
    EXPECT_EQ(payload.find("s3cr3t"), std::string::npos) << kind;
  }
}

TEST(Receiver, ComposingTwiceGivesTheSame) {
  for (const auto& kind : kAllKinds) {
    EXPECT_EQ(composed(kind, cpu_notification(), settings_of(kind)),
              composed(kind, cpu_notification(), settings_of(kind)))
        << kind;
  }
}

TEST(Receiver, AMissingSecretIsNamed) {
  const Json settings = Json::parse_or_null(R"({"routing_key": {"secret": "unset"}})");
  const auto request = wire_request("pagerduty", Json::object(), settings, lookup, kNow);
  ASSERT_FALSE(request.ok());
  EXPECT_EQ(request.error().message, "secret \"unset\" is not set");
}

TEST(Receiver, ASecretThatCannotBeUsedIsNotShown) {
  const SecretLookup bad = [](std::string_view) { return std::string("s3cr3t\r\nX: y"); };
  for (const auto& kind : kAllKinds) {
    const Json settings = settings_of(kind);
    const Json payload = composed(kind, cpu_notification(), settings);
    const auto request = wire_request(kind, payload, settings, bad, kNow);
    if (request.ok()) continue;
    EXPECT_EQ((request.error().message + request.error().hint).find("s3cr3t"), std::string::npos)
        << kind;
  }
  for (const char* kind : {"slack", "sentry"}) {
    EXPECT_FALSE(wire_request(kind, Json::object(), settings_of(kind), bad, kNow).ok()) << kind;
  }
}

TEST(Receiver, SettingsEditedByHandAreCheckedAgain) {
  const Json broken = Json::parse_or_null(R"({"routing_key": {"secret": "key"}, "details": [1]})");
  EXPECT_FALSE(store_payload("pagerduty", cpu_notification(), broken, kNow).ok());
  EXPECT_FALSE(wire_request("pagerduty", Json::object(), broken, lookup, kNow).ok());
  EXPECT_FALSE(wire_request("log", Json::array(), Json::object(), lookup, kNow).ok());
}

TEST(Receiver, NamesOfSecretsAreCollectedOnce) {
  const Json settings = Json::parse_or_null(R"({
    "url": {"secret": "b"}, "hmac_secret": {"secret": "a"},
    "headers": {"Authorization": {"secret": "c"}, "X-Again": {"secret": "a"}, "X-Plain": "d"}})");
  EXPECT_EQ(secret_names(settings), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE(secret_names(Json::array()).empty());
  EXPECT_TRUE(
      secret_names(Json::parse_or_null(R"({"a": {"secret": 1}, "b": {"secret": ""}})")).empty());
}

TEST(Receiver, TheLogKeepsTheTitle) {
  const auto request = std::get<LogDelivery>(requested("log", cpu_notification(), Json::object()));
  EXPECT_EQ(request.message, "[FIRING:2] HighCPUUsage prod (warning devops)");
  EXPECT_EQ(judged("log", answer(0)).verdict, Verdict::kSent);
}

}  // namespace
}  // namespace monitoring::notify
