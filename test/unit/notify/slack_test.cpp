#include "monitoring/base/encoding.hpp"
#include "samples.hpp"

namespace monitoring::notify {
namespace {

using namespace testing;  // NOLINT: the samples of this folder

Json message_of(const Notification& notification, const Json& settings = settings_of("slack")) {
  return Json::parse_or_null(http_request("slack", notification, settings).body);
}

TEST(Slack, AMessageHasALineAndAColouredAttachment) {
  const HttpDelivery request = http_request("slack", cpu_notification(), settings_of("slack"));
  EXPECT_EQ(request.url, "https://hooks.example/services/T0/B0/s3cr3t-h00k");
  const Json message = Json::parse_or_null(request.body);
  EXPECT_EQ(
      message["text"],
      "<https://db.example/alerts?a=1&amp;b=2|[FIRING:2] HighCPUUsage prod (warning devops)>");
  const Json attachment = message["attachments"][0];
  EXPECT_EQ(attachment["color"], "warning");
  EXPECT_EQ(attachment["fallback"], "[FIRING:2] HighCPUUsage prod (warning devops)");
  ASSERT_EQ(attachment["blocks"].size(), 3U);
  EXPECT_EQ(attachment["blocks"][0]["text"]["text"],
            ":red_circle: *HighCPUUsage*\nHigh CPU usage on app-1:9100\n"
            "CPU usage is 91.23% (threshold: 80%)\ninstance=app-1:9100");
  EXPECT_EQ(attachment["blocks"][2]["elements"][0]["text"],
            "<https://runbooks.example/cpu|Runbook>");
}

TEST(Slack, WhoIsCalledDependsOnTheSeverity) {
  const auto text = [](const char* severity) {
    return message_of(with_severity(severity))["text"].string();
  };
  EXPECT_EQ(text("P0").rfind("<!channel> ", 0), 0U);
  EXPECT_EQ(text("critical").rfind("<!channel> ", 0), 0U);
  EXPECT_EQ(text("P1").rfind("<!here> ", 0), 0U);
  for (const char* severity : {"P2", "P3", "warning", "info", ""}) {
    EXPECT_EQ(text(severity).find("<!"), std::string::npos) << severity;
  }
}

TEST(Slack, MoreLinksThanFitAreLeftOut) {
  Notification notification = cpu_notification();
  notification.alerts[1].annotations.set("dashboard_url", "https://dashboards.example/a|b");
  notification.alerts[0].annotations.set("dashboard_url", "https://dashboards.example/a");
  const std::string few =
      message_of(notification)["attachments"][0]["blocks"][2]["elements"][0]["text"].string();
  EXPECT_EQ(few,
            "<https://runbooks.example/cpu|Runbook> | "
            "<https://dashboards.example/a|Dashboard: HighCPUUsage>");
  for (int i = 0; i < 100; ++i) {
    notification.alerts.push_back(notification.alerts[0]);
    notification.alerts.back().annotations.set("dashboard_url",
                                               "https://d.example/" + std::to_string(i));
  }
  const Json blocks = message_of(notification)["attachments"][0]["blocks"];
  EXPECT_LE(blocks.elements().back()["elements"][0]["text"].string().size(), 3000U);
}

TEST(Slack, AResolveCallsNobody) {
  Notification notification = with_severity("P0");
  for (AlertView& alert : notification.alerts) resolve(alert, "2026-11-21T00:40:00Z");
  summarize(notification);
  const Json message = message_of(notification);
  EXPECT_EQ(message["text"].string().find("<!"), std::string::npos);
  EXPECT_EQ(message["attachments"][0]["color"], "good");
}

TEST(Slack, TheMentionMayBeSet) {
  Json settings = settings_of("slack");
  settings["mention"] = "none";
  EXPECT_EQ(message_of(with_severity("P0"), settings)["text"].string().find("<!"),
            std::string::npos);
  settings["mention"] = "here";
  EXPECT_EQ(message_of(with_severity("P3"), settings)["text"].string().rfind("<!here>", 0), 0U);
}

TEST(Slack, WhatAlertsSayIsEscaped) {
  Notification notification = cpu_notification();
  notification.alerts[0].annotations.set("summary", "<!channel> a & b <http://evil.example|x>");
  const std::string text =
      message_of(notification)["attachments"][0]["blocks"][0]["text"]["text"].string();
  EXPECT_NE(text.find("&lt;!channel&gt; a &amp; b &lt;http://evil.example|x&gt;"),
            std::string::npos);
  EXPECT_EQ(text.find('<'), std::string::npos);
}

TEST(Slack, NoValueCallsAnybodyThroughATemplate) {
  Notification notification = cpu_notification();
  AlertView& alert = notification.alerts[0];
  alert.labels.set("host", "<!channel> <@U123> <https://a.example|x> a & b <");
  alert.annotations.set("summary", "<!here>");
  summarize(notification);
  notification.group_labels.set("host", "<!everyone>");
  Json settings = settings_of("slack");
  settings["title"] = "<!subteam^S1> {{ .GroupLabels.host }}";
  settings["text"] =
      "{{ with index .Alerts 0 }}{{ .Labels.host }}!channel> {{ .Annotations.summary }}{{ end }}";
  settings["mention"] = "none";
  std::string note;
  const auto payload = store_payload("slack", notification, settings, kNow, &note);
  ASSERT_TRUE(payload.ok());
  EXPECT_EQ(note, "");
  EXPECT_NE((*payload)["text"].string().find("<!subteam^S1> &lt;!everyone>"), std::string::npos);
  EXPECT_EQ((*payload)["attachments"][0]["blocks"][0]["text"]["text"],
            "&lt;!channel> &lt;@U123> <https://a.example|x> a & b &lt;!channel> &lt;!here>");
}

TEST(Slack, LimitsHold) {
  Notification notification = cpu_notification();
  notification.alerts[0].annotations.set("summary",
                                         std::string(2999, '&') + std::string(9000, 'x'));
  notification.alerts[1].annotations.set("description", std::string(9000, '\n'));
  for (int i = 0; i < 200; ++i) notification.alerts.push_back(notification.alerts[0]);
  notification.truncated_alerts = 7;
  notification.group_labels.set("z", std::string(5000, 'z'));
  const Json message = message_of(notification);
  const Json blocks = message["attachments"][0]["blocks"];
  EXPECT_LE(blocks.size(), 50U);
  for (const Json& block : blocks.elements()) {
    if (block["type"] != "section") continue;
    const std::string text = block["text"]["text"].string();
    EXPECT_LE(text.size(), 3000U);
    EXPECT_EQ(valid_utf8(text), text);
    // No escape is cut: every & begins a whole one.
    for (auto at = text.find('&'); at != std::string::npos; at = text.find('&', at + 1)) {
      EXPECT_EQ(text.substr(at, 5), "&amp;");
    }
  }
  const std::string rest = blocks.elements().back()["elements"][0]["text"].string();
  EXPECT_EQ(rest.rfind("and 169 more alerts", 0), 0U) << rest;
  EXPECT_LE(message["text"].string().size(), 4000U);
}

TEST(Slack, ChannelAndNameMayBeSet) {
  Json settings = settings_of("slack");
  settings["channel"] = "#alerts";
  settings["username"] = "db";
  settings["icon_emoji"] = ":fire:";
  const Json message = message_of(cpu_notification(), settings);
  EXPECT_EQ(message["channel"], "#alerts");
  EXPECT_EQ(message["username"], "db");
  EXPECT_EQ(message["icon_emoji"], ":fire:");
  EXPECT_FALSE(message_of(cpu_notification()).contains("channel"));
}

TEST(Slack, RetryMatrix) {
  EXPECT_EQ(judged("slack", answer(200, "ok")).verdict, Verdict::kSent);
  EXPECT_EQ(judged("slack", answer(200, "ok\n")).verdict, Verdict::kSent);
  EXPECT_EQ(judged("slack", answer(200, R"({"ok": true, "ts": "1"})")).verdict, Verdict::kSent);
  for (const char* body : {"", "no_text", R"({"ok": false, "error": "x"})", "<html>", "{"}) {
    const Judgement judgement = judged("slack", answer(200, body));
    EXPECT_EQ(judgement.verdict, Verdict::kDead) << body;
    EXPECT_EQ(judgement.reason, FailureReason::kClientError);
    EXPECT_EQ(judgement.explanation, "Slack answered: " + std::string(body));
  }
  for (const int status : {400, 403, 404, 410}) {
    EXPECT_EQ(judged("slack", answer(status, "channel_not_found")).verdict, Verdict::kDead);
  }
  DeliveryOutcome limited = answer(429, "ratelimited");
  limited.retry_after = std::chrono::seconds(30);
  EXPECT_EQ(judged("slack", limited).verdict, Verdict::kRetry);
  EXPECT_EQ(judged("slack", limited).pause, std::chrono::seconds(30));
  EXPECT_EQ(judged("slack", answer(500, "rollup_error")).verdict, Verdict::kRetry);
}

TEST(Slack, NothingInALinkEndsIt) {
  Notification notification = cpu_notification();
  Json settings = settings_of("slack");
  const auto title = [&](const std::string& text) {
    settings["title"] = text;
    return message_of(notification, settings)["text"].string();
  };
  EXPECT_EQ(title("load > 5"), "<https://db.example/alerts?a=1&amp;b=2|load &gt; 5>");
  EXPECT_EQ(title("a < b"), "<https://db.example/alerts?a=1&amp;b=2|a &lt; b>");
  EXPECT_EQ(title("one\ntwo\r\n"), "<https://db.example/alerts?a=1&amp;b=2|one two  >");
  EXPECT_EQ(title("a &amp; b"), "<https://db.example/alerts?a=1&amp;b=2|a &amp; b>");
  // A link holds no other: the owner's mark-up goes on as it is.
  EXPECT_EQ(title("<!here> down"), "<!here> down <https://db.example/alerts?a=1&amp;b=2|link>");
}

TEST(Slack, NamesOfManyLinesStayInOne) {
  Notification notification = cpu_notification();
  for (AlertView& alert : notification.alerts) {
    alert.labels.set("alertname", "disk\n> 90 & rising");
  }
  notification.alerts[0].annotations.set("dashboard_url", "https://dashboards.example/a");
  notification.alerts[1].annotations.set("dashboard_url", "https://dashboards.example/b");
  summarize(notification);
  const Json message = message_of(notification);
  EXPECT_EQ(message["text"].string().find('\n'), std::string::npos);
  const Json blocks = message["attachments"][0]["blocks"];
  EXPECT_EQ(
      blocks[0]["text"]["text"].string().rfind(":red_circle: *disk &gt; 90 &amp; rising*\n", 0),
      0U);
  EXPECT_NE(blocks.elements().back()["elements"][0]["text"].string().find(
                "<https://dashboards.example/a|Dashboard: disk &gt; 90 &amp; rising>"),
            std::string::npos);
}

}  // namespace
}  // namespace monitoring::notify
