// Kind `pagerduty`: Events API v2.
// https://developer.pagerduty.com/docs/events-api-v2-overview
//
// One dedup_key per group: the SHA-256 of the group key, as Alertmanager computes it, with the
// database's identity before it, so that a trigger, an acknowledgement and the resolve of a group
// meet in one PagerDuty alert, and those of another database with the same routes do not. All of
// them go to the same routing key, which is the receiver's.
//
// Where this differs from Alertmanager on purpose: severity follows the severity label by itself
// (P0 to P3 included), the source is the instance that the alerts have in common, the timestamp is
// when the trouble began, runbooks and dashboards that annotations name become links.

#include <nlohmann/json.hpp>

#include "monitoring/base/encoding.hpp"
#include "monitoring/base/rfc3339.hpp"
#include "monitoring/base/sha256.hpp"
#include "monitoring/notify/url.hpp"
#include "notify/http_json.hpp"
#include "notify/kinds.hpp"
#include "notify/settings.hpp"
#include "notify/wording.hpp"

namespace monitoring::notify {

namespace {

using nlohmann::json;

constexpr std::string_view kEndpoint = "https://events.pagerduty.com/v2/enqueue";
/// Characters of payload.summary.
constexpr std::size_t kLongestSummary = 1024;
/// Characters of the other texts. The API names no limit; one keeps the event's size bounded.
constexpr std::size_t kLongestText = 1024;
constexpr std::size_t kMostLinks = 20;
/// Bytes of the whole event.
constexpr std::size_t kLargestEvent = 512UL * 1024;
/// Room for the routing key, which joins at send.
constexpr std::size_t kRoutingKeyRoom = 256;

constexpr Field kFields[] = {
    {"routing_key", FieldType::kSecret, true},
    {"url", FieldType::kUrl},
    {"severity", FieldType::kChoice, false, "critical error warning info"},
    {"description", FieldType::kTemplate},
    {"source", FieldType::kTemplate},
    {"component", FieldType::kTemplate},
    {"group", FieldType::kTemplate},
    {"class", FieldType::kTemplate},
    {"client", FieldType::kTemplate},
    {"client_url", FieldType::kUrl},
    {"details", FieldType::kTemplates},
    {"links", FieldType::kLinks},
    {"images", FieldType::kImages},
};

std::optional<Error> check(const json& settings) {
  return check_fields(settings, kFields);
}

std::string limited(std::string_view text) {
  return truncated_characters(valid_utf8(text), kLongestText);
}

std::string_view event_action(const Notification& notification) {
  if (notification.acknowledgement) return "acknowledge";
  return notification.status == AlertStatus::kFiring ? "trigger" : "resolve";
}

/// The setting `description`, or "[FIRING:1] HighCPU ...: what the summaries say", as far as it
/// fits.
std::string summary_of(const Notification& notification, const json& settings) {
  std::string summary = text_setting(settings, "description");
  const std::string_view said = notification.common_annotations.get("summary");
  if (summary.empty()) {
    summary = title_of(notification);
    if (!said.empty()) summary += ": " + std::string(said);
  }
  return truncated_characters(valid_utf8(summary), kLongestSummary);
}

std::string source_of(const Notification& notification, const json& settings) {
  const std::string configured = text_setting(settings, "source");
  if (!configured.empty()) return configured;
  for (const char* label : {"instance", "host", "datname", "database"}) {
    const std::string_view value = notification.common_labels.get(label);
    if (!value.empty()) return std::string(value);
  }
  return "monitoring";
}

json details_of(const Notification& notification, const json& settings) {
  json details = json::object();
  details["firing"] = alert_list(notification, AlertStatus::kFiring);
  details["resolved"] = alert_list(notification, AlertStatus::kResolved);
  details["num_firing"] = std::to_string(notification.firing_count());
  details["num_resolved"] = std::to_string(notification.resolved_count());
  if (notification.truncated_alerts > 0) {
    details["num_left_out"] = std::to_string(notification.truncated_alerts);
  }
  if (notification.acknowledgement) {
    details["acknowledged_by"] = notification.acknowledgement->by;
    details["acknowledgement_note"] = notification.acknowledgement->note;
  }
  details.update(settings.value("details", json::object()));
  return details;
}

/// Sets a member of the payload: the setting if there is one, else the first of the common labels
/// that is there, else nothing.
void set_from(json& payload, const char* member, const Notification& notification,
              const json& settings, std::initializer_list<const char*> labels) {
  std::string value = text_setting(settings, member);
  for (const char* label : labels) {
    if (value.empty()) value = notification.common_labels.get(label);
  }
  if (!value.empty()) payload[member] = limited(value);
}

json payload_of(const Notification& notification, const json& settings, Instant now) {
  const std::string severity =
      text_setting(settings, "severity", severity_text(severity_of(notification)));
  json payload = {
      {"summary", summary_of(notification, settings)},
      {"source", limited(source_of(notification, settings))},
      {"severity", severity},
      {"timestamp", rfc3339(began_at(notification, now))},
      {"custom_details", details_of(notification, settings)},
  };
  set_from(payload, "component", notification, settings, {"service", "job"});
  set_from(payload, "group", notification, settings, {"cluster", "team"});
  set_from(payload, "class", notification, settings, {"alertname"});
  return payload;
}

void add_link(json& links, const std::string& href, const std::string& text) {
  if (links.size() < kMostLinks) links.push_back({{"href", href}, {"text", limited(text)}});
}

json links_of(const Notification& notification, const json& settings) {
  json links = settings.value("links", json::array());
  if (links.size() > kMostLinks) links.erase(links.begin() + kMostLinks, links.end());
  for (const Link& link : links_of(notification)) add_link(links, link.href, link.text);
  for (const AlertView& alert : notification.alerts) {
    if (check_http_url(alert.generator_url)) {
      add_link(links, alert.generator_url, "Rule");
      break;
    }
  }
  return links;
}

json images_of(const Notification& notification, const json& settings) {
  json images = settings.value("images", json::array());
  if (images.size() > kMostLinks) images.erase(images.begin() + kMostLinks, images.end());
  const std::string image = annotation_url(notification, "image_url");
  // PagerDuty refuses images that are not served over HTTPS.
  if (image.rfind("https://", 0) == 0) images.push_back({{"src", image}});
  return images;
}

/// Too large an event loses its details, not its alarm.
void fit(json& event) {
  if (json_text(event).size() + kRoutingKeyRoom <= kLargestEvent) return;
  event["payload"]["custom_details"] = {
      {"error",
       "Custom details have been removed because the original event exceeds the maximum "
       "size of 512KB"}};
}

Result<json> compose(const Notification& notification, const json& settings, Instant now) {
  json event = {
      {"event_action", event_action(notification)},
      {"dedup_key", group_id(notification)},
      {"payload", payload_of(notification, settings, now)},
      {"client", limited(text_setting(settings, "client", "monitoring"))},
  };
  const std::string client_url = text_setting(settings, "client_url", notification.external_url);
  if (check_http_url(client_url)) event["client_url"] = client_url;
  json links = links_of(notification, settings);
  if (!links.empty()) event["links"] = std::move(links);
  json images = images_of(notification, settings);
  if (!images.empty()) event["images"] = std::move(images);
  fit(event);
  return event;
}

Result<DeliveryRequest> request(const json& payload, const json& settings, Instant /*now*/) {
  json event = payload;
  event["routing_key"] = text_setting(settings, "routing_key");
  auto posted = post_json(text_setting(settings, "url", kEndpoint), "url", json_text(event));
  if (!posted) return posted.error();
  return DeliveryRequest(std::move(posted).value());
}

/// 202 is taken; 400 will never be; 429 and 5xx later (API Response Codes & Retry Logic).
Judgement judge(const DeliveryOutcome& outcome) {
  return judge_http(outcome);
}

}  // namespace

const ReceiverKind kPagerduty = {"pagerduty", true,    true,  check,
                                 compose,     request, judge, field_table(kFields)};

}  // namespace monitoring::notify
