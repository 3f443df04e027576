#include "monitoring/notify/notification.hpp"

#include <gtest/gtest.h>

namespace monitoring::notify {
namespace {

AlertView alert(AlertStatus status, Labels labels, Labels annotations) {
  AlertView view;
  view.status = status;
  view.labels = std::move(labels);
  view.annotations = std::move(annotations);
  return view;
}

TEST(Notification, CommonLabelsAreThoseOfEveryAlert) {
  Notification notification;
  notification.alerts = {alert(AlertStatus::kResolved, {{"a", "1"}, {"b", "1"}}, {{"s", "x"}}),
                         alert(AlertStatus::kFiring, {{"a", "1"}, {"b", "2"}}, {{"s", "x"}}),
                         alert(AlertStatus::kResolved, {{"a", "1"}}, {{"s", "x"}, {"t", "y"}})};
  summarize(notification);
  EXPECT_EQ(notification.status, AlertStatus::kFiring);
  EXPECT_EQ(notification.firing_count(), 1U);
  EXPECT_EQ(notification.resolved_count(), 2U);
  EXPECT_EQ(notification.common_labels, (Labels{{"a", "1"}}));
  EXPECT_EQ(notification.common_annotations, (Labels{{"s", "x"}}));
}

TEST(Notification, WithNothingFiringIsResolved) {
  Notification notification;
  notification.alerts = {alert(AlertStatus::kResolved, {{"a", "1"}}, {})};
  summarize(notification);
  EXPECT_EQ(status_text(notification.status), "resolved");
  notification.alerts.clear();
  summarize(notification);
  EXPECT_TRUE(notification.common_labels.empty());
}

}  // namespace
}  // namespace monitoring::notify
