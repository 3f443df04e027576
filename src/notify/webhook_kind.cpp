// Kind `webhook`: Alertmanager's webhook JSON, to any HTTP endpoint.
//
// Beyond Alertmanager: 429 and 408 are retried (it drops them), and the body can be signed:
//   X-Monitoring-Signature: sha256=<hex of HMAC-SHA-256(hmac_secret, body)>
// The name of that header is a setting. So is the time limit of an attempt, timeout_ms, where that
// of the courier (monitoring.notification_timeout) does not fit.

#include "monitoring/base/encoding.hpp"
#include "monitoring/base/http_header.hpp"
#include "monitoring/base/json.hpp"
#include "monitoring/base/sha256.hpp"
#include "monitoring/notify/webhook.hpp"
#include "notify/http_json.hpp"
#include "notify/kinds.hpp"
#include "notify/settings.hpp"

namespace monitoring::notify {

namespace {

constexpr Field kFields[] = {
    {"url", FieldType::kUrl, true},         {"method", FieldType::kChoice, false, "POST PUT PATCH"},
    {"headers", FieldType::kHeaders},       {"hmac_secret", FieldType::kSecret},
    {"signature_header", FieldType::kText}, {"bearer_token", FieldType::kSecret},
    {"username", FieldType::kText},         {"password", FieldType::kSecret},
    {"max_alerts", FieldType::kCount},      {"timeout_ms", FieldType::kCount},
};

constexpr std::uint64_t kLongestTimeoutMs = 600'000;

std::optional<Error> check(const Json& settings) {
  if (auto error = check_fields(settings, kFields)) return error;
  if (settings.contains("signature_header")) {
    auto error = check_header_name(text_setting(settings, "signature_header"));
    if (error) return Error::of("setting \"signature_header\": " + error->message, error->hint);
  }
  if (settings.contains("username") != settings.contains("password")) {
    return Error::of("settings \"username\" and \"password\" belong together");
  }
  if (settings.contains("username") && settings.contains("bearer_token")) {
    return Error::of("settings \"username\" and \"bearer_token\" exclude each other");
  }
  if (settings.contains("timeout_ms")) {
    const std::uint64_t timeout_ms = count_setting(settings, "timeout_ms", 0);
    if (timeout_ms < 1 || timeout_ms > kLongestTimeoutMs) {
      return Error::of("setting \"timeout_ms\" must be between 1 and " +
                       std::to_string(kLongestTimeoutMs));
    }
  }
  return std::nullopt;
}

/// Leaves alerts beyond the limit out and counts them, as Alertmanager's max_alerts does.
Notification limited(const Notification& notification, std::uint64_t most) {
  Notification shown = notification;
  if (most == 0 || shown.alerts.size() <= most) return shown;
  shown.truncated_alerts += shown.alerts.size() - most;
  shown.alerts.resize(most);
  return shown;
}

Result<Json> compose(const Notification& notification, const Json& settings, Instant /*now*/) {
  return webhook_json(limited(notification, count_setting(settings, "max_alerts", 0)));
}

/// The headers that hold secrets. Error where a secret's value cannot be a header's.
Result<HttpDelivery> with_headers(HttpDelivery request, const Json& settings) {
  const auto add = [&](std::string name, std::string value) {
    request.headers.emplace_back(std::move(name), std::move(value));
  };
  if (settings.contains("headers")) {
    for (const auto& [name, value] : settings["headers"].members()) add(name, value.string());
  }
  const std::string token = text_setting(settings, "bearer_token");
  if (!token.empty()) add("Authorization", "Bearer " + token);
  const std::string username = text_setting(settings, "username");
  if (!username.empty()) {
    add("Authorization", "Basic " + base64(username + ":" + text_setting(settings, "password")));
  }
  const std::string key = text_setting(settings, "hmac_secret");
  if (!key.empty()) {
    add(text_setting(settings, "signature_header", "X-Monitoring-Signature"),
        "sha256=" + hex_text(hmac_sha256(key, request.body)));
  }
  for (const auto& [name, value] : request.headers) {
    if (!header_value_allowed(value)) {
      return Error::of("the value of header \"" + name + "\" holds a control character",
                       "Set the secret again, without a line break at its end.");
    }
  }
  return request;
}

Result<DeliveryRequest> request(const Json& payload, const Json& settings, Instant /*now*/) {
  auto posted = post_json(text_setting(settings, "url"), "url", payload.dump());
  if (!posted) return posted.error();
  posted->method = text_setting(settings, "method", "POST");
  if (settings.contains("timeout_ms")) {
    posted->timeout = std::chrono::milliseconds(count_setting(settings, "timeout_ms", 0));
  }
  auto complete = with_headers(std::move(posted).value(), settings);
  if (!complete) return complete.error();
  return DeliveryRequest(std::move(complete).value());
}

}  // namespace

const ReceiverKind kWebhook = {"webhook", true, false, check, compose, request, judge_http};

}  // namespace monitoring::notify
