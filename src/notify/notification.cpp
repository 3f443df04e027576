#include "monitoring/notify/notification.hpp"

#include <algorithm>

#include "monitoring/base/encoding.hpp"

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

/// A page that does not know the query shows what it always shows.
std::string link_to_alert(const std::string& external_url, const AlertView& alert) {
  std::string link = external_url;
  link += external_url.find('?') == std::string::npos ? '?' : '&';
  link += "alertname=" + percent_encoded(alert.labels.get("alertname"));
  return link + "&fingerprint=" + percent_encoded(alert.fingerprint);
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

void add_links(Notification& notification, const std::string& external_url) {
  if (external_url.empty()) return;
  notification.external_url = external_url;
  for (AlertView& alert : notification.alerts) {
    if (alert.generator_url.empty()) alert.generator_url = link_to_alert(external_url, alert);
  }
}

void summarize(Notification& notification) {
  notification.status =
      notification.firing_count() > 0 ? AlertStatus::kFiring : AlertStatus::kResolved;
  notification.common_labels = common_pairs(notification.alerts, &AlertView::labels);
  notification.common_annotations = common_pairs(notification.alerts, &AlertView::annotations);
}

}  // namespace monitoring::notify
