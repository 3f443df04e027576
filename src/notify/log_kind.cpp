// Kind `log`: the notification is recorded in the outbox, and nothing leaves the server.

#include "monitoring/base/json.hpp"
#include "monitoring/notify/webhook.hpp"
#include "notify/kinds.hpp"
#include "notify/settings.hpp"
#include "notify/wording.hpp"

namespace monitoring::notify {

namespace {

std::optional<Error> check(const Json& settings) {
  return check_fields(settings, nullptr, 0);
}

Result<Json> compose(const Notification& notification, const Json& /*settings*/, Instant /*now*/) {
  Json payload = webhook_json(notification);
  payload["message"] = title_of(notification);
  return payload;
}

Result<DeliveryRequest> request(const Json& payload, const Json& /*settings*/, Instant /*now*/) {
  return DeliveryRequest(LogDelivery{text_setting(payload, "message")});
}

Judgement judge(const DeliveryOutcome& /*outcome*/) {
  return {};
}

}  // namespace

const ReceiverKind kLog = {"log", true, true, check, compose, request, judge};

}  // namespace monitoring::notify
