#include "monitoring/notify/webhook.hpp"

#include <string>

#include "monitoring/base/labels_json.hpp"
#include "monitoring/base/rfc3339.hpp"

namespace monitoring::notify {

namespace {

Json alert_json(const AlertView& alert) {
  return {
      {"status", status_text(alert.status)},
      {"labels", json_of(alert.labels)},
      {"annotations", json_of(alert.annotations)},
      {"startsAt", rfc3339(alert.starts_at)},
      {"endsAt", alert.ends_at ? rfc3339(*alert.ends_at) : std::string(kZeroTimeText)},
      {"generatorURL", alert.generator_url},
      {"fingerprint", alert.fingerprint},
  };
}

/// Reads members of one object; the first thing that is wrong is kept.
class MemberReader {
 public:
  MemberReader(const Json& object, std::string place) : object_(object), place_(std::move(place)) {}

  void text(const char* name, std::string& value) {
    const Json* member = find(name);
    if (member == nullptr) return;
    if (!member->is_string()) return fail(name, "must be a string");
    value = member->string();
  }

  void labels(const char* name, Labels& value) {
    const Json* member = find(name);
    if (member == nullptr) return;
    if (!member->is_object()) return fail(name, "must be an object of strings");
    for (const auto& [label, content] : member->members()) {
      if (!content.is_string()) return fail(name, "must be an object of strings");
      value.set(label, content.string());
    }
  }

  void status(const char* name, AlertStatus& value) {
    std::string word = "firing";
    text(name, word);
    if (word != "firing" && word != "resolved") fail(name, "must be \"firing\" or \"resolved\"");
    value = word == "resolved" ? AlertStatus::kResolved : AlertStatus::kFiring;
  }

  void count(const char* name, std::uint64_t& value) {
    const Json* member = find(name);
    if (member == nullptr) return;
    if (!member->is_count()) return fail(name, "must be a count");
    value = member->count();
  }

  /// Left alone where the member is missing or Go's zero time.
  void instant(const char* name, std::optional<Instant>& value) {
    std::string written;
    text(name, written);
    if (written.empty() || written == kZeroTimeText) return;
    value = parse_rfc3339(written);
    if (!value) fail(name, "must be a time like 2026-01-02T03:04:05Z");
  }

  void fail(const char* name, const char* why) {
    if (!error_) error_ = Error::of(place_ + "\"" + name + "\" " + why);
  }

  const Json* find(const char* name) const {
    const Json* found = object_.find(name);
    return found == nullptr || found->is_null() ? nullptr : found;
  }

  const std::optional<Error>& error() const { return error_; }

 private:
  const Json& object_;
  std::string place_;
  std::optional<Error> error_;
};

Result<AlertView> read_alert(const Json& object, std::size_t index) {
  const std::string place = "alert " + std::to_string(index + 1) + ": ";
  if (!object.is_object()) return Error::of(place + "must be an object");
  AlertView alert;
  std::optional<Instant> starts_at;
  MemberReader reader(object, place);
  reader.status("status", alert.status);
  reader.labels("labels", alert.labels);
  reader.labels("annotations", alert.annotations);
  reader.instant("startsAt", starts_at);
  reader.instant("endsAt", alert.ends_at);
  reader.text("generatorURL", alert.generator_url);
  reader.text("fingerprint", alert.fingerprint);
  if (reader.error()) return *reader.error();
  alert.starts_at = starts_at.value_or(Instant{});
  if (alert.fingerprint.empty()) alert.fingerprint = fingerprint_text(alert.labels.fingerprint());
  return alert;
}

}  // namespace

Json webhook_json(const Notification& notification) {
  Json alerts = Json::array();
  for (const AlertView& alert : notification.alerts) alerts.push_back(alert_json(alert));
  return {
      {"version", "4"},
      {"groupKey", notification.group_key},
      {"truncatedAlerts", notification.truncated_alerts},
      {"status", status_text(notification.status)},
      {"receiver", notification.receiver},
      {"groupLabels", json_of(notification.group_labels)},
      {"commonLabels", json_of(notification.common_labels)},
      {"commonAnnotations", json_of(notification.common_annotations)},
      {"externalURL", notification.external_url},
      {"alerts", std::move(alerts)},
  };
}

Result<Notification> read_webhook_json(const Json& object) {
  if (!object.is_object()) return Error::of("a notification must be an object");
  Notification notification;
  MemberReader reader(object, "");
  const Json* alerts = reader.find("alerts");
  if (alerts != nullptr && !alerts->is_array()) return Error::of("\"alerts\" must be an array");
  for (std::size_t i = 0; alerts != nullptr && i < alerts->size(); ++i) {
    Result<AlertView> alert = read_alert((*alerts)[i], i);
    if (!alert) return alert.error();
    notification.alerts.push_back(std::move(alert).value());
  }
  summarize(notification);
  if (reader.find("status") != nullptr) reader.status("status", notification.status);
  if (reader.find("commonLabels") != nullptr) notification.common_labels = Labels();
  if (reader.find("commonAnnotations") != nullptr) notification.common_annotations = Labels();
  reader.text("receiver", notification.receiver);
  reader.labels("groupLabels", notification.group_labels);
  reader.labels("commonLabels", notification.common_labels);
  reader.labels("commonAnnotations", notification.common_annotations);
  reader.text("externalURL", notification.external_url);
  reader.text("groupKey", notification.group_key);
  reader.count("truncatedAlerts", notification.truncated_alerts);
  if (reader.error()) return *reader.error();
  return notification;
}

}  // namespace monitoring::notify
