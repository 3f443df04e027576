#include <gtest/gtest.h>

#include "samples.hpp"

namespace monitoring::notify {
namespace {

using testing::cpu_notification;
using testing::kNow;
using testing::resolved_notification;
using testing::settings_of;

Json with(const std::string& kind, const Json& more) {
  Json settings = settings_of(kind);
  settings.update(more);
  return settings;
}

struct Told {
  Json payload;
  std::string note;
};

Told told(const std::string& kind, const Json& more,
          const Notification& notification = cpu_notification()) {
  Told told;
  auto payload = store_payload(kind, notification, with(kind, more), kNow, &told.note);
  EXPECT_TRUE(payload.ok());
  if (payload.ok()) told.payload = *payload;
  return told;
}

TEST(NotificationTemplates, TheDataIsAlertmanagers) {
  const Told mail = told("email", {{"text", R"({{ .Receiver }} {{ .Status }} {{ .ExternalURL }}
{{ .GroupLabels.cluster }} {{ .CommonLabels.team }} {{ .CommonAnnotations.runbook_url }}
{{ range .Alerts }}{{ .Labels.instance }} {{ .StartsAt.Year }} {{ .EndsAt.IsZero }} {{ len .Fingerprint }};{{ end }}
{{ len .Alerts.Firing }} {{ len .Alerts.Resolved }} [{{ .CommonLabels.none }}])"}});
  EXPECT_EQ(mail.payload["text"],
            "ops firing https://db.example/alerts?a=1&b=2\n"
            "prod devops https://runbooks.example/cpu\n"
            "app-1:9100 2026 true 16;app-2:9100 2026 true 16;\n"
            "2 0 []");
  EXPECT_EQ(mail.note, "");
}

TEST(NotificationTemplates, TheDefaultSubjectIsTheTitleOfOurOwn) {
  for (const Notification& notification : {cpu_notification(), resolved_notification()}) {
    const Json plain = told("email", Json::object(), notification).payload;
    const Json called =
        told("email", {{"subject", "{{ template \"email.default.subject\" . }}"}}, notification)
            .payload;
    EXPECT_EQ(plain["subject"], called["subject"]);
  }
}

TEST(NotificationTemplates, WhatFailsIsPassedOverWithANote) {
  const Json plain = told("slack", Json::object()).payload;
  const Told failed =
      told("slack", {{"title", "{{ index .Alerts 5 }}"}, {"text", " {{ .CommonLabels.none }} "}});
  EXPECT_EQ(failed.payload, plain);
  EXPECT_NE(failed.note.find("setting \"text\" was passed over: the template gives no text"),
            std::string::npos)
      << failed.note;
  EXPECT_NE(failed.note.find("setting \"title\" was passed over: "), std::string::npos);
}

TEST(NotificationTemplates, HtmlIsEscapedAndTextIsNot) {
  Notification notification = cpu_notification();
  notification.alerts[0].annotations.set("summary", "<script>\"&'");
  const std::string source = "{{ (index .Alerts 0).Annotations.summary }}";
  const Json mail = told("email", {{"text", source}, {"html", source}}, notification).payload;
  EXPECT_EQ(mail["text"], "<script>\"&'");
  EXPECT_EQ(mail["html"], "&lt;script&gt;&#34;&amp;&#39;");
}

TEST(NotificationTemplates, LimitsHold) {
  const std::string many = "{{ range .Alerts }}" + std::string(4000, 'x') + "{{ end }}";
  const Json slack = told("slack", {{"title", many}, {"text", many}}).payload;
  EXPECT_LE(slack["attachments"][0]["blocks"][0]["text"]["text"].string().size(), 3000U);
  EXPECT_LE(slack["attachments"][0]["fallback"].string().size(), 1000U);
  const Json event = told("pagerduty", {{"description", many}}).payload;
  // 1024 characters, of which the ellipsis has three bytes.
  EXPECT_EQ(event["payload"]["summary"].string().size(), 1023U + 3U);
}

TEST(NotificationTemplates, MistakesAreFoundWithoutANotification) {
  const auto error = check_settings("slack", with("slack", {{"text", "ab {{ .Annotations.x }}"}}));
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->message,
            "setting \"text\": can't evaluate field Annotations in type *template.Data");
  EXPECT_TRUE(error->position.has_value());
  EXPECT_NE(error->hint.find(".CommonAnnotations"), std::string::npos);
  EXPECT_EQ(testing::complaint("email", with("email", {{"subject", "{{ . | none }}"}})),
            "setting \"subject\": function \"none\" not defined");
  EXPECT_EQ(testing::complaint("pagerduty", with("pagerduty", {{"details", {{"a", "{{"}}}}))
                .rfind("setting \"details.a\": ", 0),
            0U);
  // What only some notifications have may be asked for.
  EXPECT_EQ(
      testing::complaint("slack", with("slack", {{"text", "{{ (index .Alerts 3).Status }}"}})), "");
}

}  // namespace
}  // namespace monitoring::notify
