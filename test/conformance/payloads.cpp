// What receivers are sent, against the schemas that PagerDuty and Sentry publish, and against what
// Alertmanager sent for the same notifications.

#include <random>

#include "json_schema.hpp"
#include "monitoring/base/rfc3339.hpp"
#include "monitoring/notify/receiver.hpp"
#include "monitoring/notify/webhook.hpp"
#include "registry.hpp"

namespace monitoring::conformance {
namespace {

using nlohmann::json;
using notify::AlertStatus;
using notify::AlertView;
using notify::Notification;

constexpr int kGenerated = 300;

/// Texts that have broken encoders before.
std::string some_text(std::mt19937& random) {
  const std::string texts[] = {"critical",
                               "P1",
                               "warning",
                               "info",
                               "",
                               "a b",
                               "\xF0\x9F\x94\xA5",
                               "<!channel> & \"x\"",
                               "https://a.example/x?y=z",
                               "two\nlines",
                               "latin1 \xE9",
                               "\xED\xA0\x80",
                               std::string(1, '\x01'),
                               std::string(3000, 'x')};
  return texts[random() % std::size(texts)];
}

Labels some_labels(std::mt19937& random) {
  const char* names[] = {"alertname",   "severity",    "instance",  "cluster", "summary",
                         "description", "runbook_url", "image_url", "a.b",     "\xC3\xA9"};
  Labels labels;
  for (const char* name : names) {
    if (random() % 2 == 0) labels.set(name, some_text(random));
  }
  return labels;
}

Notification some_notification(std::mt19937& random) {
  Notification notification;
  notification.receiver = some_text(random);
  notification.group_key = some_text(random);
  notification.external_url = some_text(random);
  notification.group_labels = some_labels(random);
  notification.truncated_alerts = random() % 2;
  for (std::size_t left = random() % 60; left > 0; --left) {
    AlertView alert;
    alert.labels = some_labels(random);
    alert.annotations = some_labels(random);
    alert.starts_at = Instant(std::chrono::seconds(random()));
    alert.generator_url = some_text(random);
    if (random() % 2 == 0) {
      alert.status = AlertStatus::kResolved;
      alert.ends_at = alert.starts_at;
    }
    notification.alerts.push_back(alert);
  }
  if (random() % 8 == 0) notification.acknowledgement = {some_text(random), some_text(random)};
  notify::summarize(notification);
  return notification;
}

std::optional<std::string> secret(std::string_view name) {
  if (name == "dsn") return "https://key@sentry.example/42";
  if (name == "hook") return "https://hooks.example/T0";
  return "737ea619db564d41bd9824063e1f6b08";
}

Json ours(const json& theirs) {
  return Json::parse_or_null(theirs.dump());
}

/// The body as it goes over the wire; the error where there is none.
std::string body_of(const char* kind, const Notification& notification, const json& given) {
  const Json settings = ours(given);
  const auto payload = notify::store_payload(kind, notification, settings, Instant{});
  if (!payload) return payload.error().message;
  // Through text and back, as through the outbox.
  const std::string stored = payload->dump();
  const auto request =
      notify::wire_request(kind, Json::parse_or_null(stored), settings, secret, Instant{});
  if (!request) return request.error().message;
  return std::get<notify::HttpDelivery>(*request).body;
}

void check_against(const json& document, const json& schema, const std::string& body,
                   const std::string& name, Report& report) {
  const json value = json::parse(body, nullptr, false);
  if (value.is_discarded()) return report.fail(name, "no JSON: " + body.substr(0, 200));
  const auto violation = schema_violation(document, schema, value);
  if (violation) return report.fail(name, *violation);
  report.pass();
}

void run_pagerduty(const std::filesystem::path& folder, Report& report) {
  const json settings = json::parse(R"({"routing_key": {"secret": "key"}})");
  for (const auto& file : files_with_extension(folder, ".json")) {
    const json document = read_json(file, report);
    const json::json_pointer place("/paths/~1enqueue/post/requestBody/content/application~1json");
    if (!document.contains(place / "schema")) {
      report.skip(file.filename(), "describes no /enqueue");
      continue;
    }
    const json& schema = document.at(place / "schema");
    const json examples = document.at(place).value("examples", json::object());
    for (const auto& [name, example] : examples.items()) {
      check_against(document, schema, example["value"].dump(), "its example " + name, report);
    }
    std::mt19937 random(1);
    for (int i = 0; i < kGenerated; ++i) {
      const std::string body = body_of("pagerduty", some_notification(random), settings);
      const std::string name = "notification " + std::to_string(i);
      check_against(document, schema, body, name, report);
      const json event = json::parse(body, nullptr, false);
      if (!event.is_object()) continue;
      const bool fits = body.size() <= 512 * 1024 && event["dedup_key"].size() <= 255;
      if (!fits) report.fail(name, "beyond the API's limits");
    }
  }
}

void run_sentry(const std::filesystem::path& folder, Report& report) {
  const json settings = json::parse(R"({"dsn": {"secret": "dsn"}, "environment": "prod"})");
  for (const auto& file : files_with_extension(folder, ".json")) {
    const json schema = read_json(file, report);
    if (!schema.is_object()) continue;
    std::mt19937 random(2);
    for (int i = 0; i < kGenerated; ++i) {
      const std::string body = body_of("sentry", some_notification(random), settings);
      const std::string name = "notification " + std::to_string(i);
      const auto item_line = body.find('\n') + 1;
      const auto event_line = body.find('\n', item_line) + 1;
      const std::string event = body.substr(event_line, body.size() - event_line - 1);
      check_against(schema, schema, event, name, report);
      const json item = json::parse(body.substr(item_line, event_line - item_line), nullptr, false);
      report.expect_equal(name + ", length", std::to_string(event.size()),
                          item.is_object() ? item["length"].dump() : "no item header");
    }
  }
}

/// What Alertmanager's PagerDuty and Slack requests have, of the notification that its webhook to
/// the same receiver shows.
void compare_with(const json& sent, const Notification& notification, Report& report) {
  const std::string path = sent["path"];
  const json& theirs = sent["json"];
  if (path.find("pd") != std::string::npos) {
    const json settings = json::parse(R"({"routing_key": {"secret": "key"}})");
    const json ours = json::parse(body_of("pagerduty", notification, settings));
    for (const char* key : {"dedup_key", "event_action"}) {
      report.expect_equal(path + " " + key, theirs[key].dump(), ours[key].dump());
    }
    report.expect_equal(path + " severity", theirs["payload"]["severity"].dump(),
                        ours["payload"]["severity"].dump());
    report.expect_equal(path + " custom_details", theirs["payload"]["custom_details"].dump(),
                        ours["payload"]["custom_details"].dump());
    // Ours goes on with what the alerts say.
    const std::string title = theirs["payload"]["summary"];
    const std::string summary = ours["payload"]["summary"];
    report.expect_equal(path + " summary", title, summary.substr(0, title.size()));
    return;
  }
  const json settings = json::parse(R"({"url": {"secret": "hook"}, "channel": "#dawg-ai-alerts"})");
  const json ours = json::parse(body_of("slack", notification, settings));
  report.expect_equal(path + " channel", theirs["channel"].dump(), ours["channel"].dump());
  // Alertmanager appends its own address, and colours by status only.
  const std::string title = ours["attachments"][0]["fallback"];
  const std::string fallback = theirs["attachments"][0]["fallback"];
  report.expect_equal(path + " fallback", fallback.substr(0, title.size()), title);
}

/// A receiver that was sent something in another format: the webhook that says the same, if the
/// file has one.
const json* same_notification(const json& all, const json& sent) {
  const std::string receiver =
      sent["path"].get<std::string>().find("pd") != std::string::npos ? "pagerduty" : "slack";
  for (const json& other : all) {
    if (!other.contains("json") || !other["json"].contains("groupKey")) continue;
    const json& webhook = other["json"];
    const std::string text = sent["json"].dump();
    const std::string name = webhook["groupLabels"].value("alertname", "");
    const bool resolving = text.find("[RESOLVED]") != std::string::npos;
    if (webhook["receiver"] == receiver && text.find(name) != std::string::npos &&
        (webhook["status"] == "resolved") == resolving) {
      return &webhook;
    }
  }
  return nullptr;
}

void run_sent(const std::filesystem::path& folder, Report& report) {
  for (const auto& file : files_with_extension(folder, ".json")) {
    const json all = read_json(file, report);
    for (const json& sent : all) {
      if (!sent.contains("json")) {
        report.skip(file.filename(), "no JSON body: mails differ by design, others are not ours");
        continue;
      }
      if (sent["json"].contains("groupKey")) {
        const auto notification = notify::read_webhook_json(ours(sent["json"]));
        report.expect_equal("webhook " + sent["path"].get<std::string>(), sent["json"].dump(),
                            notification ? notify::webhook_json(*notification).dump()
                                         : notification.error().message);
        continue;
      }
      const json* webhook = same_notification(all, sent);
      const auto notification = webhook == nullptr ? Result<Notification>(Error::of("no webhook"))
                                                   : notify::read_webhook_json(ours(*webhook));
      if (!notification) {
        report.skip(sent.value("path", ""), "no webhook says the same");
        continue;
      }
      compare_with(sent, *notification, report);
    }
  }
}

const Registration kPagerduty{"pagerduty-events-v2", run_pagerduty};
const Registration kSentry{"sentry", run_sentry};
const Registration kSent{"oracle-notify", run_sent};

}  // namespace
}  // namespace monitoring::conformance
