#pragma once
// Notifications, settings and secrets for the tests of receiver kinds.

#include <gtest/gtest.h>

#include <map>
#include <string>
#include "monitoring/base/json.hpp"

#include "monitoring/base/rfc3339.hpp"
#include "monitoring/notify/receiver.hpp"

namespace monitoring::notify::testing {

inline Instant at(const char* text) {
  return *parse_rfc3339(text);
}

inline AlertView alert(Labels labels, Labels annotations, const char* starts_at) {
  AlertView view;
  view.fingerprint = fingerprint_text(labels.fingerprint());
  view.labels = std::move(labels);
  view.annotations = std::move(annotations);
  view.starts_at = at(starts_at);
  return view;
}

/// Two instances with high CPU usage; the second began first.
inline Notification cpu_notification() {
  Notification notification;
  notification.receiver = "ops";
  notification.group_labels = {{"alertname", "HighCPUUsage"}, {"cluster", "prod"}};
  notification.group_key = "{}:{alertname=\"HighCPUUsage\", cluster=\"prod\"}";
  notification.external_url = "https://db.example/alerts?a=1&b=2";
  for (const char* instance : {"app-1:9100", "app-2:9100"}) {
    notification.alerts.push_back(alert({{"alertname", "HighCPUUsage"},
                                         {"cluster", "prod"},
                                         {"instance", instance},
                                         {"severity", "warning"},
                                         {"team", "devops"}},
                                        {{"description", "CPU usage is 91.23% (threshold: 80%)"},
                                         {"runbook_url", "https://runbooks.example/cpu"},
                                         {"summary", std::string("High CPU usage on ") + instance}},
                                        "2026-11-21T00:34:58Z"));
  }
  notification.alerts[1].starts_at = at("2026-11-21T00:30:00.25Z");
  summarize(notification);
  return notification;
}

inline void resolve(AlertView& alert, const char* ends_at) {
  alert.status = AlertStatus::kResolved;
  alert.ends_at = at(ends_at);
}

inline Notification resolved_notification() {
  Notification notification = cpu_notification();
  for (AlertView& view : notification.alerts) resolve(view, "2026-11-21T00:40:00Z");
  summarize(notification);
  return notification;
}

/// The same group at another severity.
inline Notification with_severity(const char* severity) {
  Notification notification = cpu_notification();
  for (AlertView& view : notification.alerts) view.labels.set("severity", severity);
  summarize(notification);
  return notification;
}

inline const Instant kNow = *parse_rfc3339("2026-11-21T00:35:00.5Z");

/// Settings that every kind accepts, with all secrets there are.
inline Json settings_of(const std::string& kind) {
  static const std::map<std::string, const char*> kSettings = {
      {"pagerduty", R"({"routing_key": {"secret": "key"}})"},
      {"slack", R"({"url": {"secret": "hook"}})"},
      {"email", R"({"smarthost": "mail.example:587", "from": "alerts@db.example",
                    "to": "team@db.example", "username": "alerts",
                    "password": {"secret": "key"}})"},
      {"webhook", R"({"url": "http://127.0.0.1:9/hook"})"},
      {"sentry", R"({"dsn": {"secret": "dsn"}})"},
      {"sms", R"({"account_sid": "AC1", "auth_token": {"secret": "key"}, "from": "+15550001",
                  "to": "+15550002"})"},
      {"log", "{}"},
  };
  return Json::parse_or_null(kSettings.at(kind));
}

inline std::optional<std::string> lookup(std::string_view name) {
  if (name == "key") return "s3cr3t-k3y";
  if (name == "hook") return "https://hooks.example/services/T0/B0/s3cr3t-h00k";
  if (name == "dsn") return "https://s3cr3tpublic@sentry.example/42";
  return std::nullopt;
}

inline Json composed(const std::string& kind, const Notification& notification,
                     const Json& settings) {
  const auto payload = store_payload(kind, notification, settings, kNow);
  EXPECT_TRUE(payload.ok()) << payload.error().message;
  return payload.ok() ? *payload : Json();
}

inline DeliveryRequest requested(const std::string& kind, const Notification& notification,
                                 const Json& settings) {
  const auto request =
      wire_request(kind, composed(kind, notification, settings), settings, lookup, kNow);
  EXPECT_TRUE(request.ok()) << request.error().message;
  return request.ok() ? *request : DeliveryRequest();
}

inline HttpDelivery http_request(const std::string& kind, const Notification& notification,
                                 const Json& settings) {
  return std::get<HttpDelivery>(requested(kind, notification, settings));
}

inline std::string header(const HttpDelivery& request, std::string_view name) {
  for (const auto& [header_name, value] : request.headers) {
    if (header_name == name) return value;
  }
  return "(none)";
}

inline DeliveryOutcome answer(int status, std::string body = {}) {
  DeliveryOutcome outcome;
  outcome.status = status;
  outcome.body_head = std::move(body);
  return outcome;
}

inline Judgement judged(const std::string& kind, const DeliveryOutcome& outcome) {
  return find_receiver_kind(kind)->judge(outcome);
}

/// The error of settings, or "" where there is none.
inline std::string complaint(const std::string& kind, const Json& settings) {
  const auto error = check_settings(kind, settings);
  return error ? error->message : "";
}

}  // namespace monitoring::notify::testing
