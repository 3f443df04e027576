#include "samples.hpp"

namespace monitoring::notify {
namespace {

using namespace testing;  // NOLINT: the samples of this folder

Json with(const char* more) {
  Json settings = settings_of("webhook");
  settings.update(Json::parse_or_null(more));
  return settings;
}

TEST(WebhookKind, TheBodyIsSignedAsItIsSent) {
  const HttpDelivery request =
      http_request("webhook", cpu_notification(), with(R"({"hmac_secret": {"secret": "key"}})"));
  const std::string signature = header(request, "X-Monitoring-Signature");
  EXPECT_EQ(signature.rfind("sha256=", 0), 0U);
  EXPECT_EQ(signature.size(), 7U + 64);
  const HttpDelivery other =
      http_request("webhook", resolved_notification(), with(R"({"hmac_secret": {"secret": "key"},
                   "signature_header": "X-Hub-Signature-256"})"));
  EXPECT_NE(header(other, "X-Hub-Signature-256"), signature);
  EXPECT_EQ(header(other, "X-Monitoring-Signature"), "(none)");
  EXPECT_EQ(header(http_request("webhook", cpu_notification(), settings_of("webhook")),
                   "X-Monitoring-Signature"),
            "(none)");
}

TEST(WebhookKind, CredentialsJoinAtSend) {
  const HttpDelivery request = http_request(
      "webhook", cpu_notification(),
      with(R"({"method": "PUT", "headers": {"X-Env": "prod", "X-Key": {"secret": "key"}},
               "bearer_token": {"secret": "key"}})"));
  EXPECT_EQ(request.method, "PUT");
  EXPECT_EQ(header(request, "X-Env"), "prod");
  EXPECT_EQ(header(request, "X-Key"), "s3cr3t-k3y");
  EXPECT_EQ(header(request, "Authorization"), "Bearer s3cr3t-k3y");
  EXPECT_EQ(header(http_request("webhook", cpu_notification(),
                                with(R"({"username": "u", "password": {"secret": "key"}})")),
                   "Authorization"),
            "Basic dTpzM2NyM3QtazN5");
}

TEST(WebhookKind, CredentialsThatDoNotFitTogetherAreRefused) {
  EXPECT_NE(complaint("webhook", with(R"({"username": "u"})")), "");
  EXPECT_NE(complaint("webhook", with(R"({"signature_header": "X: y"})")), "");
  EXPECT_NE(complaint("webhook", with(R"({"username": "u", "password": {"secret": "key"},
                                          "bearer_token": {"secret": "key"}})")),
            "");
}

TEST(WebhookKind, MaxAlertsLeavesOutAndCounts) {
  const Json body = composed("webhook", cpu_notification(), with(R"({"max_alerts": 1})"));
  EXPECT_EQ(body["alerts"].size(), 1U);
  EXPECT_EQ(body["truncatedAlerts"], 1);
  EXPECT_EQ(composed("webhook", cpu_notification(), with(R"({"max_alerts": 0})"))["alerts"].size(),
            2U);
}

TEST(WebhookKind, AnAttemptMayHaveATimeLimitOfItsOwn) {
  EXPECT_EQ(http_request("webhook", cpu_notification(), with(R"({"timeout_ms": 1500})")).timeout,
            std::chrono::milliseconds(1500));
  EXPECT_EQ(http_request("webhook", cpu_notification(), settings_of("webhook")).timeout,
            std::nullopt);
  for (const char* wrong :
       {R"({"timeout_ms": 0})", R"({"timeout_ms": 600001})", R"({"timeout_ms": -1})",
        R"({"timeout_ms": 1.5})", R"({"timeout_ms": "1s"})"}) {
    EXPECT_NE(complaint("webhook", with(wrong)), "") << wrong;
  }
}

}  // namespace
}  // namespace monitoring::notify
