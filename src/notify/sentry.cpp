// Kind `sentry`: one event per notification, in an envelope.
// https://develop.sentry.dev/sdk/data-model/envelopes/, .../event-payloads/
//
// The group key is the fingerprint: all notifications of a group are events of one Sentry issue.
// Sentry asks clients to discard events while a rate limit holds. A page is not to be discarded: it
// waits that long, and is dead after the notification's maximal age like any other.

#include <algorithm>

#include "monitoring/base/encoding.hpp"
#include "monitoring/base/json.hpp"
#include "monitoring/base/rfc3339.hpp"
#include "monitoring/notify/webhook.hpp"
#include "notify/http_json.hpp"
#include "notify/kinds.hpp"
#include "notify/sentry_protocol.hpp"
#include "notify/settings.hpp"
#include "notify/wording.hpp"

namespace monitoring::notify {

namespace {

/// Characters of logentry.formatted.
constexpr std::size_t kLongestMessage = 8192;
/// Characters of a tag's name and of its value (event payloads, "tags").
constexpr std::size_t kLongestTagName = 32;
constexpr std::size_t kLongestTag = 200;
/// Bytes of an event (envelopes, "Size Limits").
constexpr std::size_t kLargestEvent = 1000UL * 1000;
/// Sentry's rule for a 429 that does not say how long.
constexpr std::chrono::seconds kUnknownLimit{60};

constexpr Field kFields[] = {
    {"dsn", FieldType::kSecret, true}, {"url", FieldType::kUrl},
    {"environment", FieldType::kText}, {"release", FieldType::kText},
    {"server_name", FieldType::kText}, {"tags", FieldType::kTexts},
};

std::optional<Error> check(const Json& settings) {
  return check_fields(settings, kFields);
}

std::string_view level_of(const Notification& notification) {
  if (notification.status == AlertStatus::kResolved) return "info";
  const Severity severity = severity_of(notification);
  return severity == Severity::kCritical ? "fatal" : severity_text(severity);
}

std::string message_of(const Notification& notification) {
  std::string message = title_of(notification);
  for (const char* name : {"summary", "description"}) {
    const std::string_view said = notification.common_annotations.get(name);
    if (!said.empty()) message += "\n" + std::string(said);
  }
  return truncated_characters(valid_utf8(message), kLongestMessage);
}

/// Sentry takes no event back for a tag that it refuses: it drops the tag.
bool is_tag_name(std::string_view name) {
  return !name.empty() && name.size() <= kLongestTagName &&
         std::all_of(name.begin(), name.end(), [](char c) {
           const bool is_alphanumeric =
               (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
           return is_alphanumeric || std::string_view("_.:-").find(c) != std::string_view::npos;
         });
}

void set_tag(Json& tags, const std::string& name, std::string_view value) {
  if (!is_tag_name(name) || value.empty()) return;
  // Sentry refuses line breaks in tags.
  std::string line = valid_utf8(value);
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, ' ');
  tags[name] = truncated_characters(line, kLongestTag);
}

Json tags_of(const Notification& notification, const Json& settings) {
  Json tags = Json::object();
  for (const auto& [name, value] : notification.common_labels) set_tag(tags, name, value);
  set_tag(tags, "receiver", notification.receiver);
  set_tag(tags, "status", status_text(notification.status));
  const Json configured = settings.value("tags", Json::object());
  for (const auto& [name, value] : configured.members()) {
    set_tag(tags, name, value.string());
  }
  return tags;
}

/// The alerts themselves, unless they would make the event too large.
void add_alerts(Json& event, const Notification& notification) {
  event["extra"] = {{"num_firing", notification.firing_count()},
                    {"num_resolved", notification.resolved_count()}};
  if (!notification.external_url.empty())
    event["extra"]["external_url"] = notification.external_url;
  Json alerts = webhook_json(notification)["alerts"];
  if (alerts.dump().size() + event.dump().size() > kLargestEvent) {
    event["extra"]["alerts"] = "left out: the event would exceed 1 MB";
  } else {
    event["extra"]["alerts"] = std::move(alerts);
  }
}

/// By which Sentry makes one issue of many events.
Json fingerprint_of(const Notification& notification) {
  Json fingerprint = {"monitoring", valid_utf8(notification.group_key)};
  if (!notification.origin.empty()) fingerprint.push_back(notification.origin);
  return fingerprint;
}

Result<Json> compose(const Notification& notification, const Json& settings, Instant now) {
  Json event = {
      {"event_id", notification_id(notification, now).substr(0, 32)},
      {"timestamp", rfc3339(now)},
      {"platform", "other"},
      {"level", level_of(notification)},
      {"logger", "monitoring"},
      {"logentry", {{"formatted", message_of(notification)}}},
      {"fingerprint", fingerprint_of(notification)},
      {"tags", tags_of(notification, settings)},
  };
  for (const char* key : {"environment", "release", "server_name"}) {
    const std::string value = text_setting(settings, key);
    if (!value.empty()) event[key] = value;
  }
  add_alerts(event, notification);
  return event;
}

/// Envelope header, item header, item: three lines.
std::string envelope_of(const Json& event, const std::string& dsn, Instant now) {
  const std::string item = event.dump();
  const Json header = {
      {"event_id", event.value("event_id", Json())}, {"dsn", dsn}, {"sent_at", rfc3339(now)}};
  const Json item_header = {
      {"type", "event"}, {"content_type", "application/json"}, {"length", item.size()}};
  return header.dump() + "\n" + item_header.dump() + "\n" + item + "\n";
}

Result<DeliveryRequest> request(const Json& payload, const Json& settings, Instant now) {
  const std::string text = text_setting(settings, "dsn");
  const auto dsn = parse_sentry_dsn(text);
  if (!dsn) return dsn.error();
  auto posted = post_json(text_setting(settings, "url", dsn->envelope_url), "url",
                          envelope_of(payload, text, now));
  if (!posted) return posted.error();
  posted->headers = {
      {"Content-Type", "application/x-sentry-envelope"},
      {"X-Sentry-Auth",
       "Sentry sentry_version=7, sentry_client=monitoring/1.0, sentry_key=" + dsn->public_key},
  };
  return DeliveryRequest(std::move(posted).value());
}

/// A rate limit for events counts whatever the status; it comes with a 200 too.
Judgement judge(const DeliveryOutcome& outcome) {
  Judgement judgement = judge_http(outcome);
  const auto limit = sentry_event_limit(outcome.rate_limits);
  if (limit) judgement.pause = limit;
  if (judgement.reason == FailureReason::kRateLimited && !judgement.pause) {
    judgement.pause = kUnknownLimit;
  }
  return judgement;
}

}  // namespace

const ReceiverKind kSentry = {"sentry", false, false, check, compose, request, judge};

}  // namespace monitoring::notify
