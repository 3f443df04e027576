// Matchers, routes, times, addresses, and the payload of each kind of receiver.

#include <algorithm>
#include <string>
#include "monitoring/base/json.hpp"

#include "monitoring/dispatch/matcher.hpp"
#include "monitoring/dispatch/route.hpp"
#include "monitoring/dispatch/time_interval.hpp"
#include "monitoring/notify/rate_limit.hpp"
#include "monitoring/notify/receiver.hpp"
#include "monitoring/notify/redaction.hpp"
#include "monitoring/notify/url.hpp"
#include "monitoring/notify/webhook.hpp"
#include "target.hpp"

using namespace monitoring;
using namespace monitoring::dispatch;
using namespace monitoring::notify;
using fuzz::Input;
using fuzz::require;
namespace {

constexpr Instant kNow{std::chrono::hours(24 * 365 * 57)};

class Zones final : public UtcOffsetProvider {
 public:
  std::optional<std::chrono::seconds> offset_at(std::string_view zone, Instant) const override {
    if (zone != "Europe/Berlin") return std::nullopt;
    return std::chrono::hours(2);
  }
};

Labels labels_of(Input& input) {
  Labels labels{{"alertname", "A"}, {"severity", "critical"}};
  for (int i = input.byte() % 4; i > 0; --i) {
    std::string name(input.text());
    labels.set(std::move(name), std::string(input.text()));
  }
  return labels;
}

Notification notification_of(Input& input) {
  Notification notification;
  notification.receiver = std::string(input.text());
  notification.external_url = std::string(input.text());
  notification.group_key = std::string(input.text());
  notification.truncated_alerts = input.byte();
  for (int i = input.byte() % 3; i >= 0; --i) {
    AlertView alert;
    alert.labels = labels_of(input);
    alert.annotations = labels_of(input);
    alert.starts_at = kNow;
    if (input.byte() % 2 == 1) {
      alert.status = AlertStatus::kResolved;
      alert.ends_at = kNow;
    }
    alert.fingerprint = fingerprint_text(alert.labels.fingerprint());
    notification.alerts.push_back(alert);
  }
  summarize(notification);
  return notification;
}

/// From the settings that a user writes to the request on the wire: nothing but errors.
void deliver(std::string_view kind, const Json& settings, const Notification& notification) {
  if (check_settings(kind, settings)) return;
  for (const Json& one : settings_by_address(kind, settings)) {
    address_of(kind, one);
    const auto payload = store_payload(kind, notification, one, kNow);
    if (!payload) continue;
    // The outbox keeps it as jsonb: it has to be text that the server takes.
    const std::string stored = payload.value().dump();
    const auto secrets = [](std::string_view) { return std::optional<std::string>("s3cret"); };
    const auto request = wire_request(kind, Json::parse_or_null(stored), one, secrets, kNow);
    if (!request) continue;
    Redaction redaction;
    redaction.add_secret("s3cret");
    redaction.add_request(request.value());
    redaction.apply(stored);
  }
}

}  // namespace

FUZZ_TARGET(matchers) {
  Input input(bytes);
  const std::string text(input.text());
  const Labels labels = labels_of(input);
  if (const auto matchers = parse_matchers(text)) {
    matches_all(*matchers, labels);
    // An empty name is written as Alertmanager writes it, which nothing reads.
    const bool is_named = std::none_of(matchers->begin(), matchers->end(),
                                       [](const Matcher& one) { return one.name().empty(); });
    const auto again = parse_matchers(matchers_text(*matchers));
    require(!is_named || (again.ok() && matchers_text(*again) == matchers_text(*matchers)));
  }
  if (const auto matcher = parse_matcher(text)) matcher->matches(labels);
}

FUZZ_TARGET(routes) {
  Input input(bytes);
  std::vector<RouteSpec> specs;
  while (!input.empty() && specs.size() < 50) {
    RouteSpec spec;
    spec.id = input.byte() % 16;
    if (const int parent = input.byte() % 17; parent != 16) spec.parent = parent;
    spec.continue_matching = input.byte() % 2 == 1;
    spec.receiver = std::string(input.text());
    if (auto matchers = parse_matchers(input.text())) spec.matchers = *matchers;
    specs.push_back(spec);
  }
  const auto tree = RouteTree::build(specs);
  if (!tree) return;
  require(!tree->match({{"alertname", "A"}}).empty());
  tree->explain({{"alertname", "A"}, {"severity", "x"}});
}

FUZZ_TARGET(time_intervals) {
  const Zones zones;
  const auto intervals = parse_time_intervals(bytes, zones);
  if (!intervals) return;
  for (const TimeInterval& interval : *intervals) {
    for (int day = 0; day < 400; day += 13)
      (void)contains(interval, kNow + std::chrono::hours(24 * day), zones);
  }
}

FUZZ_TARGET(url) {
  (void)check_http_url(bytes);
}

FUZZ_TARGET(webhook_json) {
  const Json read = Json::parse_or_null(bytes);
  const auto notification = read_webhook_json(read);
  if (notification) webhook_json(*notification);
}

FUZZ_TARGET(rate_limit) {
  const Json read = Json::parse_or_null(bytes);
  const auto limit = parse_rate_limit(read);
  if (!limit) return;
  requests_allowed(*limit, kNow, kNow + std::chrono::seconds(1));
  full_after(*limit, kNow, 1000, kNow);
  next_request_at(*limit, kNow);
}

/// A kind's settings are JSON; in front of them is the kind's number, behind a zero byte what the
/// alerts say.
FUZZ_TARGET(receivers) {
  static constexpr std::string_view kKinds[] = {"webhook", "slack",  "pagerduty", "email",
                                                "sms",     "sentry", "log"};
  Input input(bytes);
  const std::string_view kind = kKinds[input.byte() % std::size(kKinds)];
  const Json settings = Json::parse_or_null(input.text());
  secret_names(settings);
  deliver(kind, settings, notification_of(input));
}
