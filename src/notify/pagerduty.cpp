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

#include "monitoring/base/encoding.hpp"
#include "monitoring/base/json.hpp"
#include "monitoring/base/rfc3339.hpp"
#include "monitoring/base/sha256.hpp"
#include "monitoring/notify/url.hpp"
#include "notify/http_json.hpp"
#include "notify/kinds.hpp"
#include "notify/settings.hpp"
#include "notify/wording.hpp"

namespace monitoring::notify {

namespace {

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

std::optional<Error> check(const Json& settings) {
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
std::string summary_of(const Notification& notification, const Json& settings) {
  std::string summary = text_setting(settings, "description");
  const std::string_view said = notification.common_annotations.get("summary");
  if (summary.empty()) {
    summary = title_of(notification);
    if (!said.empty()) summary += ": " + std::string(said);
  }
  return truncated_characters(valid_utf8(summary), kLongestSummary);
}

std::string source_of(const Notification& notification, const Json& settings) {
  const std::string configured = text_setting(settings, "source");
  if (!configured.empty()) return configured;
  for (const char* label : {"instance", "host", "datname", "database"}) {
    const std::string_view value = notification.common_labels.get(label);
    if (!value.empty()) return std::string(value);
  }
  return "monitoring";
}

Json details_of(const Notification& notification, const Json& settings) {
  Json details = Json::object();
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
  details.update(settings.value("details", Json::object()));
  return details;
}

/// Sets a member of the payload: the setting if there is one, else the first of the common labels
/// that is there, else nothing.
void set_from(Json& payload, const char* member, const Notification& notification,
              const Json& settings, std::initializer_list<const char*> labels) {
  std::string value = text_setting(settings, member);
  for (const char* label : labels) {
    if (value.empty()) value = notification.common_labels.get(label);
  }
  if (!value.empty()) payload[member] = limited(value);
}

Json payload_of(const Notification& notification, const Json& settings, Instant now) {
  const std::string severity =
      text_setting(settings, "severity", severity_text(severity_of(notification)));
  Json payload = {
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

void add_link(Json& links, const std::string& href, const std::string& text) {
  if (links.size() < kMostLinks) links.push_back({{"href", href}, {"text", limited(text)}});
}

Json links_of(const Notification& notification, const Json& settings) {
  Json links = settings.value("links", Json::array());
  if (links.size() > kMostLinks) links.elements().resize(kMostLinks);
  for (const Link& link : links_of(notification)) add_link(links, link.href, link.text);
  for (const AlertView& alert : notification.alerts) {
    if (check_http_url(alert.generator_url)) {
      add_link(links, alert.generator_url, "Rule");
      break;
    }
  }
  return links;
}

Json images_of(const Notification& notification, const Json& settings) {
  Json images = settings.value("images", Json::array());
  if (images.size() > kMostLinks) images.elements().resize(kMostLinks);
  const std::string image = annotation_url(notification, "image_url");
  // PagerDuty refuses images that are not served over HTTPS.
  if (image.rfind("https://", 0) == 0) images.push_back({{"src", image}});
  return images;
}

/// Too large an event loses its details, not its alarm.
void fit(Json& event) {
  if (event.dump().size() + kRoutingKeyRoom <= kLargestEvent) return;
  event["payload"]["custom_details"] = {
      {"error",
       "Custom details have been removed because the original event exceeds the maximum "
       "size of 512KB"}};
}

Result<Json> compose(const Notification& notification, const Json& settings, Instant now) {
  Json event = {
      {"event_action", event_action(notification)},
      {"dedup_key", group_id(notification)},
      {"payload", payload_of(notification, settings, now)},
      {"client", limited(text_setting(settings, "client", "monitoring"))},
  };
  const std::string client_url = text_setting(settings, "client_url", notification.external_url);
  if (check_http_url(client_url)) event["client_url"] = client_url;
  Json links = links_of(notification, settings);
  if (!links.empty()) event["links"] = std::move(links);
  Json images = images_of(notification, settings);
  if (!images.empty()) event["images"] = std::move(images);
  fit(event);
  return event;
}

Result<DeliveryRequest> request(const Json& payload, const Json& settings, Instant /*now*/) {
  Json event = payload;
  event["routing_key"] = text_setting(settings, "routing_key");
  auto posted = post_json(text_setting(settings, "url", kEndpoint), "url", event.dump());
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
