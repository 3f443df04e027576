#include "monitoring/notify/receiver.hpp"

#include "monitoring/base/json.hpp"
#include "notify/kinds.hpp"
#include "notify/settings.hpp"
#include "notify/templates.hpp"

namespace monitoring::notify {

namespace {

constexpr const ReceiverKind* kKinds[] = {&kPagerduty, &kSlack, &kEmail, &kWebhook,
                                          &kSentry,    &kSms,   &kLog};

Error unknown_kind(std::string_view kind) {
  return Error::of("unknown receiver kind \"" + std::string(kind) + "\"",
                   "Known kinds: " + receiver_kind_names() + ".");
}

}  // namespace

const ReceiverKind* find_receiver_kind(std::string_view name) {
  for (const ReceiverKind* kind : kKinds) {
    if (kind->name == name) return kind;
  }
  return nullptr;
}

std::string receiver_kind_names() {
  std::string names;
  for (const ReceiverKind* kind : kKinds) {
    if (!names.empty()) names += ", ";
    names += kind->name;
  }
  return names;
}

std::optional<Error> check_settings(std::string_view kind, const Json& settings) {
  const ReceiverKind* found = find_receiver_kind(kind);
  return found == nullptr ? unknown_kind(kind) : found->check(settings);
}

std::vector<Json> settings_by_address(std::string_view kind, const Json& settings) {
  const ReceiverKind* found = find_receiver_kind(kind);
  if (found == nullptr || found->address_setting == nullptr) return {settings};
  std::vector<Json> all;
  for (const std::string& address : list_setting(settings, found->address_setting)) {
    all.push_back(settings);
    all.back()[found->address_setting] = address;
  }
  return all;
}

std::string address_of(std::string_view kind, const Json& settings) {
  const ReceiverKind* found = find_receiver_kind(kind);
  if (found == nullptr || found->address_setting == nullptr) return {};
  return text_setting(settings, found->address_setting);
}

namespace {

using Defuse = std::string (*)(std::string_view value);

Labels defused(const Labels& labels, Defuse defuse) {
  Labels made;
  for (const auto& [name, value] : labels) made.set(name, defuse(value));
  return made;
}

/// The notification as a receiver's templates are to see it.
Notification defused(Notification notification, Defuse defuse) {
  for (AlertView& alert : notification.alerts) {
    alert.labels = defused(alert.labels, defuse);
    alert.annotations = defused(alert.annotations, defuse);
  }
  notification.group_labels = defused(notification.group_labels, defuse);
  notification.common_labels = defused(notification.common_labels, defuse);
  notification.common_annotations = defused(notification.common_annotations, defuse);
  return notification;
}

}  // namespace

Result<Json> store_payload(std::string_view kind, const Notification& notification,
                           const Json& settings, Instant now, std::string* note) {
  const ReceiverKind* found = find_receiver_kind(kind);
  if (found == nullptr) return unknown_kind(kind);
  // Settings were checked when the receiver was made; rows may have been edited by hand since.
  if (auto error = found->check(settings)) return *error;
  RenderedSettings rendered =
      found->defuse == nullptr
          ? render_templates(settings, found->fields, notification, now)
          : render_templates(settings, found->fields, defused(notification, found->defuse), now);
  if (note != nullptr) *note = std::move(rendered.note);
  return found->compose(notification, rendered.settings, now);
}

Result<DeliveryRequest> wire_request(std::string_view kind, const Json& payload,
                                     const Json& settings, const SecretLookup& secrets,
                                     Instant now) {
  const ReceiverKind* found = find_receiver_kind(kind);
  if (found == nullptr) return unknown_kind(kind);
  if (auto error = found->check(settings)) return *error;
  if (!payload.is_object()) return Error::of("stored payload is not a JSON object");
  const auto resolved = resolve_secrets(settings, secrets);
  if (!resolved) return resolved.error();
  return found->request(payload, *resolved, now);
}

}  // namespace monitoring::notify
