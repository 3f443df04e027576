#include "monitoring/notify/notification.hpp"

#include <algorithm>

namespace monitoring::notify {

namespace {

/// The pairs that every alert has, with the same value.
Labels common_pairs(const std::vector<AlertView>& alerts, Labels AlertView::*member) {
  Labels common;
  if (alerts.empty()) return common;
  for (const auto& label : alerts.front().*member) {
    const bool everywhere = std::all_of(alerts.begin(), alerts.end(), [&](const AlertView& alert) {
      return (alert.*member).has(label.first) && (alert.*member).get(label.first) == label.second;
    });
    if (everywhere) common.set(label.first, label.second);
  }
  return common;
}

}  // namespace

std::string_view status_text(AlertStatus status) {
  return status == AlertStatus::kFiring ? "firing" : "resolved";
}

bool resolved_at(const AlertView& alert, Instant now) {
  return alert.ends_at && *alert.ends_at <= now;
}

std::size_t Notification::firing_count() const {
  return static_cast<std::size_t>(
      std::count_if(alerts.begin(), alerts.end(),
                    [](const AlertView& alert) { return alert.status == AlertStatus::kFiring; }));
}

void summarize(Notification& notification) {
  notification.status =
      notification.firing_count() > 0 ? AlertStatus::kFiring : AlertStatus::kResolved;
  notification.common_labels = common_pairs(notification.alerts, &AlertView::labels);
  notification.common_annotations = common_pairs(notification.alerts, &AlertView::annotations);
}

}  // namespace monitoring::notify
