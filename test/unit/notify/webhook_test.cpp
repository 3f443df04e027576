#include "monitoring/notify/webhook.hpp"

#include <gtest/gtest.h>

#include "monitoring/base/json.hpp"

#include "monitoring/base/rfc3339.hpp"

namespace monitoring::notify {
namespace {

Notification sample() {
  Notification notification;
  notification.receiver = "ops";
  notification.group_labels = {{"alertname", "QueueStuck"}};
  notification.group_key = "{}:{alertname=\"QueueStuck\"}";
  notification.external_url = "https://db.example";
  AlertView firing;
  firing.labels = {{"alertname", "QueueStuck"}, {"queue", "a"}};
  firing.annotations = {{"summary", "a is stuck"}};
  firing.starts_at = *parse_rfc3339("2026-01-02T03:04:05.6Z");
  firing.generator_url = "https://db.example/rule";
  firing.fingerprint = fingerprint_text(firing.labels.fingerprint());
  AlertView resolved = firing;
  resolved.status = AlertStatus::kResolved;
  resolved.labels.set("queue", "b");
  resolved.ends_at = *parse_rfc3339("2026-01-02T03:10:00Z");
  resolved.fingerprint = fingerprint_text(resolved.labels.fingerprint());
  notification.alerts = {firing, resolved};
  summarize(notification);
  return notification;
}

TEST(Webhook, HasTheMembersOfVersionFour) {
  const Json expected = Json::parse_or_null(R"({
    "version": "4", "groupKey": "{}:{alertname=\"QueueStuck\"}", "truncatedAlerts": 0,
    "status": "firing", "receiver": "ops", "groupLabels": {"alertname": "QueueStuck"},
    "commonLabels": {"alertname": "QueueStuck"}, "commonAnnotations": {"summary": "a is stuck"},
    "externalURL": "https://db.example",
    "alerts": [
      {"status": "firing", "labels": {"alertname": "QueueStuck", "queue": "a"},
       "annotations": {"summary": "a is stuck"}, "startsAt": "2026-01-02T03:04:05.6Z",
       "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "https://db.example/rule",
       "fingerprint": ""},
      {"status": "resolved", "labels": {"alertname": "QueueStuck", "queue": "b"},
       "annotations": {"summary": "a is stuck"}, "startsAt": "2026-01-02T03:04:05.6Z",
       "endsAt": "2026-01-02T03:10:00Z", "generatorURL": "https://db.example/rule",
       "fingerprint": ""}]})");
  Json written = webhook_json(sample());
  for (Json& alert : written["alerts"].elements()) {
    EXPECT_EQ(alert["fingerprint"].string().size(), 16U);
    alert["fingerprint"] = "";
  }
  EXPECT_EQ(written, expected);
}

TEST(Webhook, ReadsWhatItWrites) {
  const Json written = webhook_json(sample());
  const auto read = read_webhook_json(written);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(webhook_json(*read), written);
}

TEST(Webhook, FillsInWhatFollowsFromTheAlerts) {
  const auto read = read_webhook_json(
      Json::parse_or_null(R"({"alerts": [{"status": "resolved", "labels": {"a": "b"}}]})"));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->status, AlertStatus::kResolved);
  EXPECT_EQ(read->common_labels, (Labels{{"a", "b"}}));
  EXPECT_EQ(read->alerts[0].fingerprint, fingerprint_text((Labels{{"a", "b"}}).fingerprint()));
}

TEST(Webhook, SaysWhatIsWrong) {
  const auto message = [](const char* text) {
    const auto read = read_webhook_json(Json::parse_or_null(text));
    return read.ok() ? std::string("no error") : read.error().message;
  };
  EXPECT_EQ(message("[]"), "a notification must be an object");
  EXPECT_EQ(message(R"({"alerts": 1})"), "\"alerts\" must be an array");
  EXPECT_EQ(message(R"({"alerts": [{}, 1]})"), "alert 2: must be an object");
  EXPECT_EQ(message(R"({"status": "burning"})"), "\"status\" must be \"firing\" or \"resolved\"");
  EXPECT_EQ(message(R"({"groupLabels": {"a": 1}})"),
            "\"groupLabels\" must be an object of strings");
  EXPECT_EQ(message(R"({"truncatedAlerts": -1})"), "\"truncatedAlerts\" must be a count");
  EXPECT_EQ(message(R"({"alerts": [{"startsAt": "soon"}]})"),
            "alert 1: \"startsAt\" must be a time like 2026-01-02T03:04:05Z");
}

}  // namespace
}  // namespace monitoring::notify
