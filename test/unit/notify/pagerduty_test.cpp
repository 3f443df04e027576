#include "monitoring/base/encoding.hpp"
#include "monitoring/base/sha256.hpp"
#include "samples.hpp"

namespace monitoring::notify {
namespace {

using namespace testing;  // NOLINT: the samples of this folder

Json event_of(const Notification& notification, const Json& settings = settings_of("pagerduty")) {
  return Json::parse_or_null(http_request("pagerduty", notification, settings).body);
}

TEST(Pagerduty, ATriggerHasWhatTheApiWants) {
  const HttpDelivery request =
      http_request("pagerduty", cpu_notification(), settings_of("pagerduty"));
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.url, "https://events.pagerduty.com/v2/enqueue");
  EXPECT_EQ(header(request, "Content-Type"), "application/json");
  const Json event = Json::parse_or_null(request.body);
  EXPECT_EQ(event["routing_key"], "s3cr3t-k3y");
  EXPECT_EQ(event["event_action"], "trigger");
  EXPECT_EQ(event["payload"]["severity"], "warning");
  EXPECT_EQ(event["payload"]["summary"], "[FIRING:2] HighCPUUsage prod (warning devops)");
  EXPECT_EQ(event["payload"]["source"], "monitoring");
  EXPECT_EQ(event["payload"]["timestamp"], "2026-11-21T00:30:00.25Z") << "the earliest alert's";
  EXPECT_EQ(event["payload"]["class"], "HighCPUUsage");
  EXPECT_EQ(event["payload"]["group"], "prod");
  EXPECT_EQ(event["client"], "monitoring");
  EXPECT_EQ(event["client_url"], "https://db.example/alerts?a=1&b=2");
  EXPECT_EQ(event["links"][0]["href"], "https://runbooks.example/cpu");
  EXPECT_EQ(event["payload"]["custom_details"]["num_firing"], "2");
}

TEST(Pagerduty, OneDedupKeyForAllThatIsSaidOfAGroup) {
  Notification acknowledged = cpu_notification();
  acknowledged.acknowledgement = Acknowledgement{"ann", "looking"};
  const Json trigger = event_of(cpu_notification());
  const Json acknowledge = event_of(acknowledged);
  const Json resolve = event_of(resolved_notification());
  EXPECT_EQ(acknowledge["event_action"], "acknowledge");
  EXPECT_EQ(acknowledge["payload"]["custom_details"]["acknowledged_by"], "ann");
  EXPECT_EQ(resolve["event_action"], "resolve");
  EXPECT_EQ(resolve["payload"]["custom_details"]["num_resolved"], "2");
  EXPECT_EQ(trigger["dedup_key"], acknowledge["dedup_key"]);
  EXPECT_EQ(trigger["dedup_key"], resolve["dedup_key"]);
  Notification other = cpu_notification();
  other.group_key += "x";
  EXPECT_NE(trigger["dedup_key"], event_of(other)["dedup_key"]);
}

TEST(Pagerduty, DatabasesWithTheSameGroupsAreToldApart) {
  Notification here = cpu_notification();
  EXPECT_EQ(event_of(here)["dedup_key"], hex_text(sha256(here.group_key))) << "as Alertmanager's";
  here.origin = "a";
  Notification there = cpu_notification();
  there.origin = "b";
  EXPECT_NE(event_of(here)["dedup_key"], event_of(there)["dedup_key"]);
  Notification resolved = resolved_notification();
  resolved.origin = "a";
  EXPECT_EQ(event_of(here)["dedup_key"], event_of(resolved)["dedup_key"]);
}

TEST(Pagerduty, LinksToEveryRunbookAndDashboard) {
  Notification notification = cpu_notification();
  notification.alerts[1].annotations.set("runbook_url", "https://runbooks.example/other");
  notification.alerts[1].annotations.set("dashboard", "https://dashboards.example/1");
  notification.alerts[0].annotations.set("dashboard", "ask Ann");
  summarize(notification);
  add_links(notification, "https://m.example");
  const Json links = event_of(notification)["links"];
  ASSERT_EQ(links.size(), 4U);
  EXPECT_EQ(links[0]["href"], "https://runbooks.example/cpu");
  EXPECT_EQ(links[0]["text"], "Runbook: HighCPUUsage");
  EXPECT_EQ(links[1]["href"], "https://runbooks.example/other");
  EXPECT_EQ(links[2]["href"], "https://dashboards.example/1");
  EXPECT_EQ(links[3]["text"], "Rule");
  EXPECT_EQ(event_of(notification)["client_url"], "https://m.example");
}

TEST(Pagerduty, AHugeGroupKeyStillFits) {
  Notification notification = cpu_notification();
  notification.group_key = std::string(10000, 'k');
  // sha256sum of 10,000 times "k".
  EXPECT_EQ(event_of(notification)["dedup_key"].string().size(), 64U);
}

TEST(Pagerduty, SeveritiesAreMapped) {
  const struct {
    const char* label;
    const char* severity;
  } cases[] = {{"critical", "critical"}, {"P0", "critical"}, {"page", "critical"},
               {"P1", "error"},          {"high", "error"},  {"error", "error"},
               {"Warning", "warning"},   {"P2", "warning"},  {"info", "info"},
               {"P3", "info"},           {"", "error"},      {"purple", "error"}};
  for (const auto& expected : cases) {
    EXPECT_EQ(event_of(with_severity(expected.label))["payload"]["severity"], expected.severity)
        << expected.label;
  }
  Json settings = settings_of("pagerduty");
  settings["severity"] = "info";
  EXPECT_EQ(event_of(with_severity("critical"), settings)["payload"]["severity"], "info");
}

TEST(Pagerduty, TheWorstFiringAlertDecides) {
  Notification notification = cpu_notification();
  notification.alerts[0].labels.set("severity", "critical");
  EXPECT_EQ(event_of(notification)["payload"]["severity"], "critical");
  resolve(notification.alerts[0], "2026-11-21T00:40:00Z");
  EXPECT_EQ(event_of(notification)["payload"]["severity"], "warning");
}

TEST(Pagerduty, TheSummaryIsCutBetweenCharacters) {
  Notification notification = cpu_notification();
  std::string fires;
  for (int i = 0; i < 2000; ++i) fires += "\xF0\x9F\x94\xA5";
  notification.common_annotations.set("summary", fires);
  const std::string summary = event_of(notification)["payload"]["summary"].string();
  EXPECT_EQ(utf8_length(summary), 1024U);
  EXPECT_EQ(valid_utf8(summary), summary);
  EXPECT_EQ(summary.rfind("[FIRING:2] HighCPUUsage", 0), 0U) << "what matters comes first";
}

TEST(Pagerduty, TooLargeAnEventLosesItsDetailsOnly) {
  Notification notification = cpu_notification();
  notification.alerts[0].annotations.set("dump", std::string(600 * 1024, 'x'));
  const std::string body = http_request("pagerduty", notification, settings_of("pagerduty")).body;
  EXPECT_LE(body.size(), 512U * 1024);
  const Json event = Json::parse_or_null(body);
  EXPECT_EQ(event["payload"]["custom_details"].size(), 1U);
  EXPECT_NE(event["payload"]["custom_details"]["error"].string().find("512KB"), std::string::npos);
  EXPECT_EQ(event["payload"]["summary"], "[FIRING:2] HighCPUUsage prod (warning devops)");
  EXPECT_EQ(event["links"].size(), 1U);
}

TEST(Pagerduty, ManyLargeLinksDoNotBreakTheLimit) {
  Json settings = settings_of("pagerduty");
  settings["links"] = Json::array();
  for (int i = 0; i < 200; ++i) {
    settings["links"].push_back({{"href", "https://a.example/" + std::string(8000, 'a')}});
  }
  EXPECT_LE(http_request("pagerduty", cpu_notification(), settings).body.size(), 512U * 1024);
}

TEST(Pagerduty, OnlyUrlsBecomeLinksAndImages) {
  Notification notification = cpu_notification();
  for (AlertView& alert : notification.alerts) {
    alert.annotations.set("runbook_url", "see the wiki");
    alert.annotations.set("dashboard_url", "javascript:alert");
    alert.annotations.set("image_url", "http://a.example/i.png");
  }
  summarize(notification);
  notification.external_url = "not a URL";
  Json event = event_of(notification);
  EXPECT_FALSE(event.contains("links"));
  EXPECT_FALSE(event.contains("images")) << "PagerDuty wants https";
  EXPECT_FALSE(event.contains("client_url"));
  notification.common_annotations.set("image_url", "https://a.example/i.png");
  EXPECT_EQ(event_of(notification)["images"][0]["src"], "https://a.example/i.png");
}

TEST(Pagerduty, InvalidUtf8DoesNotBreakTheBody) {
  Notification notification = cpu_notification();
  notification.alerts[0].annotations.set("summary", "latin1 \xE9");
  notification.common_annotations.set("summary", "latin1 \xE9");
  EXPECT_TRUE(event_of(notification).is_object());
}

TEST(Pagerduty, RetryMatrix) {
  EXPECT_EQ(judged("pagerduty", answer(202)).verdict, Verdict::kSent);
  EXPECT_EQ(judged("pagerduty", answer(400)).verdict, Verdict::kDead);
  EXPECT_EQ(judged("pagerduty", answer(400)).reason, FailureReason::kClientError);
  EXPECT_EQ(judged("pagerduty", answer(429)).verdict, Verdict::kRetry);
  EXPECT_EQ(judged("pagerduty", answer(429)).reason, FailureReason::kRateLimited);
  EXPECT_EQ(judged("pagerduty", answer(503)).verdict, Verdict::kRetry);
}

}  // namespace
}  // namespace monitoring::notify
