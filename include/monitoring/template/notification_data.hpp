#pragma once
// What templates of notifications see: Alertmanager's template.Data.

#include <optional>
#include <string>
#include <vector>

#include "monitoring/base/clock.hpp"
#include "monitoring/base/labels.hpp"
#include "monitoring/template/value.hpp"

namespace monitoring::templates {

/// One alert of a notification, as .Alerts gives it.
struct NotifiedAlert {
  std::string status;  ///< "firing" or "resolved"
  Labels labels;
  Labels annotations;
  Instant starts_at{};
  std::optional<Instant> ends_at;  ///< none: Go's zero time, as Alertmanager has for firing alerts
  std::string generator_url;
  std::string fingerprint;
};

struct NotificationData {
  std::string receiver;
  std::string status;
  std::vector<NotifiedAlert> alerts;
  Labels group_labels;
  Labels common_labels;
  Labels common_annotations;
  std::string external_url;
};

/// .Receiver .Status .Alerts .GroupLabels .CommonLabels .CommonAnnotations .ExternalURL
Value template_data(const NotificationData& data);

}  // namespace monitoring::templates
