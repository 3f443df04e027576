#include "monitoring/base/encoding.hpp"
#include "samples.hpp"

namespace monitoring::notify {
namespace {

using namespace testing;  // NOLINT: the samples of this folder

std::map<std::string, std::string> form_of(const std::string& body) {
  std::map<std::string, std::string> form;
  std::istringstream in(body);
  for (std::string pair; std::getline(in, pair, '&');) {
    const auto equals = pair.find('=');
    form[pair.substr(0, equals)] = percent_decoded(pair.substr(equals + 1)).value_or("(bad)");
  }
  return form;
}

TEST(Sms, ATextIsAFormPost) {
  const HttpDelivery request = http_request("sms", cpu_notification(), settings_of("sms"));
  EXPECT_EQ(request.url, "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json");
  EXPECT_EQ(header(request, "Content-Type"), "application/x-www-form-urlencoded");
  EXPECT_EQ(header(request, "Authorization"), "Basic " + base64("AC1:s3cr3t-k3y"));
  const auto form = form_of(request.body);
  EXPECT_EQ(form.size(), 3U);
  EXPECT_EQ(form.at("From"), "+15550001");
  EXPECT_EQ(form.at("To"), "+15550002");
  EXPECT_EQ(form.at("Body"),
            "[FIRING:2] HighCPUUsage prod (warning devops)\nHigh CPU usage on app-1:9100\n"
            "High CPU usage on app-2:9100");
  EXPECT_NE(request.body.find("%2B15550001"), std::string::npos) << "a plus would be a space";
}

TEST(Sms, EveryNumberGetsItsOwn) {
  Json settings = settings_of("sms");
  settings["to"] = {"+15550002", "+15550003"};
  EXPECT_FALSE(check_settings("sms", settings).has_value());
  const auto all = settings_by_address("sms", settings);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(composed("sms", cpu_notification(), all[1])["To"], "+15550003");
  // The request is made with the receiver's own settings.
  const auto request =
      wire_request("sms", composed("sms", cpu_notification(), all[1]), settings, lookup, kNow);
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(form_of(std::get<HttpDelivery>(*request).body).at("To"), "+15550003");
  settings["to"] = "+15550002, +15550003";
  EXPECT_EQ(settings_by_address("sms", settings).size(), 2U);
  settings["to"] = Json::array();
  EXPECT_TRUE(check_settings("sms", settings).has_value());
  EXPECT_EQ(settings_by_address("pagerduty", settings_of("pagerduty")).size(), 1U);
}

TEST(Sms, TheTextIsCut) {
  Notification notification = cpu_notification();
  std::string fires;
  for (int i = 0; i < 3000; ++i) fires += "\xF0\x9F\x94\xA5";
  notification.alerts[0].annotations.set("summary", fires);
  const auto form = form_of(http_request("sms", notification, settings_of("sms")).body);
  EXPECT_EQ(utf8_length(form.at("Body")), 1600U);
  EXPECT_EQ(valid_utf8(form.at("Body")), form.at("Body"));
}

TEST(Sms, ACallReadsTheTextOut) {
  Json settings = settings_of("sms");
  settings["voice"] = true;
  Notification notification = cpu_notification();
  notification.alerts[0].annotations.set("summary", "a < b & c");
  const HttpDelivery request = http_request("sms", notification, settings);
  EXPECT_EQ(request.url, "https://api.twilio.com/2010-04-01/Accounts/AC1/Calls.json");
  const auto form = form_of(request.body);
  EXPECT_EQ(form.count("Body"), 0U);
  EXPECT_NE(form.at("Twiml").find("<Response><Say>[FIRING:2]"), std::string::npos);
  EXPECT_NE(form.at("Twiml").find("a &lt; b &amp; c"), std::string::npos);
}

/// Twilio takes 4,000 characters of TwiML, and an entity is several; no XML holds U+FFFF.
TEST(Sms, ACallIsCutAfterItIsEscapedAndBetweenCharacters) {
  Json settings = settings_of("sms");
  settings["voice"] = true;
  for (const char* unit : {"&", "<", "x&", "\xF0\x9F\x94\xA5&&&"}) {
    Notification notification = cpu_notification();
    std::string said;
    while (said.size() < 8000) said += unit;
    notification.alerts[0].annotations.set("summary", said);
    const auto form = form_of(http_request("sms", notification, settings).body);
    const std::string& twiml = form.at("Twiml");
    EXPECT_LE(utf8_length(twiml), 4000U) << unit;
    EXPECT_EQ(valid_utf8(twiml), twiml);
    EXPECT_NE(twiml.find("\u2026</Say></Response>"), std::string::npos) << unit;
    for (std::size_t at = twiml.find('&'); at != std::string::npos; at = twiml.find('&', at + 1)) {
      const std::string entity = twiml.substr(at, twiml.find(';', at) - at + 1);
      EXPECT_TRUE(entity == "&amp;" || entity == "&lt;" || entity == "&gt;") << entity;
    }
  }
}

TEST(Sms, ACallHoldsNothingThatNoXmlMayHold) {
  Json settings = settings_of("sms");
  settings["voice"] = true;
  Notification notification = cpu_notification();
  notification.alerts[0].annotations.set("summary",
                                         "a\xEF\xBF\xBF"
                                         "b\xEF\xBF\xBE"
                                         "c\x01"
                                         "d\x1F"
                                         "e\nf");
  const auto form = form_of(http_request("sms", notification, settings).body);
  EXPECT_NE(form.at("Twiml").find("a b c d e f"), std::string::npos) << form.at("Twiml");
}

TEST(Sms, ACallByAUrl) {
  Json settings = settings_of("sms");
  settings["twiml_url"] = "https://voice.example/twiml?x=1";
  const auto form = form_of(http_request("sms", cpu_notification(), settings).body);
  EXPECT_EQ(form.at("Url"), "https://voice.example/twiml?x=1");
  EXPECT_EQ(form.count("Twiml"), 0U);
  EXPECT_EQ(form.count("Body"), 0U);
}

TEST(Sms, AnAccountIsOnePartOfThePath) {
  Json settings = settings_of("sms");
  settings["account_sid"] = "AC1/../x?y";
  EXPECT_EQ(http_request("sms", cpu_notification(), settings).url,
            "https://api.twilio.com/2010-04-01/Accounts/AC1%2F..%2Fx%3Fy/Messages.json");
}

TEST(Sms, RetryMatrix) {
  EXPECT_EQ(judged("sms", answer(201, R"({"status": "queued", "error_code": null})")).verdict,
            Verdict::kSent);
  EXPECT_EQ(judged("sms", answer(201)).verdict, Verdict::kSent);
  const Judgement failed =
      judged("sms", answer(201, R"({"status": "failed", "error_message": "unreachable"})"));
  EXPECT_EQ(failed.verdict, Verdict::kDead);
  EXPECT_EQ(failed.explanation, "message failed: unreachable");
  const Judgement refused =
      judged("sms", answer(400, R"({"code": 21211, "message": "Invalid 'To' Phone Number"})"));
  EXPECT_EQ(refused.verdict, Verdict::kDead);
  EXPECT_EQ(refused.explanation, "HTTP status 400, error 21211: Invalid 'To' Phone Number");
  EXPECT_EQ(judged("sms", answer(401)).reason, FailureReason::kAuthError);
  EXPECT_EQ(judged("sms", answer(429, R"({"code": 20429})")).verdict, Verdict::kRetry);
  EXPECT_EQ(judged("sms", answer(500, "not json")).verdict, Verdict::kRetry);
}

}  // namespace
}  // namespace monitoring::notify
