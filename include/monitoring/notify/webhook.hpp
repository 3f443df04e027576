#pragma once
// Alertmanager's webhook JSON, version "4": the body of kind `webhook`, and the form in which a
// notification is handed over between SQL and C++.
// https://prometheus.io/docs/alerting/latest/configuration/#webhook_config

#include <string_view>

#include "monitoring/base/json.hpp"
#include "monitoring/base/result.hpp"
#include "monitoring/notify/notification.hpp"

namespace monitoring::notify {

/// version, groupKey, truncatedAlerts, status, receiver, groupLabels, commonLabels,
/// commonAnnotations, externalURL, alerts[{status, labels, annotations, startsAt, endsAt,
/// generatorURL, fingerprint}]. Times are RFC 3339; endsAt of a firing alert is Go's zero time.
Json webhook_json(const Notification& notification);

/// Reads the same form. Missing members are empty; a missing fingerprint is computed, a missing
/// status, commonLabels and commonAnnotations follow from the alerts. Unknown members are ignored.
Result<Notification> read_webhook_json(const Json& json);

}  // namespace monitoring::notify
