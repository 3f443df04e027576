#include "monitoring/notify/webhook.hpp"

#include <nlohmann/json.hpp>
#include <string>

#include "monitoring/base/rfc3339.hpp"

namespace monitoring::notify {

namespace {

using nlohmann::json;

json labels_json(const Labels& labels) {
  json object = json::object();
  for (const auto& [name, value] : labels) object[name] = value;
  return object;
}

json alert_json(const AlertView& alert) {
  return {
      {"status", status_text(alert.status)},
      {"labels", labels_json(alert.labels)},
      {"annotations", labels_json(alert.annotations)},
      {"startsAt", rfc3339(alert.starts_at)},
      {"endsAt", alert.ends_at ? rfc3339(*alert.ends_at) : std::string(kZeroTimeText)},
      {"generatorURL", alert.generator_url},
      {"fingerprint", alert.fingerprint},
  };
}

/// Reads members of one object; the first thing that is wrong is kept.
class MemberReader {
 public:
  MemberReader(const json& object, std::string place) : object_(object), place_(std::move(place)) {}

  void text(const char* name, std::string& value) {
    const json* member = find(name);
    if (member == nullptr) return;
    if (!member->is_string()) return fail(name, "must be a string");
    value = member->get<std::string>();
  }

  void labels(const char* name, Labels& value) {
    const json* member = find(name);
    if (member == nullptr) return;
    if (!member->is_object()) return fail(name, "must be an object of strings");
    for (const auto& [label, content] : member->items()) {
      if (!content.is_string()) return fail(name, "must be an object of strings");
      value.set(label, content.get<std::string>());
    }
  }

  void status(const char* name, AlertStatus& value) {
    std::string word = "firing";
    text(name, word);
    if (word != "firing" && word != "resolved") fail(name, "must be \"firing\" or \"resolved\"");
    value = word == "resolved" ? AlertStatus::kResolved : AlertStatus::kFiring;
  }

  void count(const char* name, std::uint64_t& value) {
    const json* member = find(name);
    if (member == nullptr) return;
    if (!member->is_number_unsigned()) return fail(name, "must be a count");
    value = member->get<std::uint64_t>();
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

  const json* find(const char* name) const {
    const auto found = object_.find(name);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  const std::optional<Error>& error() const { return error_; }

 private:
  const json& object_;
  std::string place_;
  std::optional<Error> error_;
};

Result<AlertView> read_alert(const json& object, std::size_t index) {
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

json webhook_json(const Notification& notification) {
  json alerts = json::array();
  for (const AlertView& alert : notification.alerts) alerts.push_back(alert_json(alert));
  return {
      {"version", "4"},
      {"groupKey", notification.group_key},
      {"truncatedAlerts", notification.truncated_alerts},
      {"status", status_text(notification.status)},
      {"receiver", notification.receiver},
      {"groupLabels", labels_json(notification.group_labels)},
      {"commonLabels", labels_json(notification.common_labels)},
      {"commonAnnotations", labels_json(notification.common_annotations)},
      {"externalURL", notification.external_url},
      {"alerts", std::move(alerts)},
  };
}

Result<Notification> read_webhook_json(const json& object) {
  if (!object.is_object()) return Error::of("a notification must be an object");
  Notification notification;
  MemberReader reader(object, "");
  const json* alerts = reader.find("alerts");
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
