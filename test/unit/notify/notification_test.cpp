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

TEST(Notification, LinksToWhereItCanBeLookedAt) {
  Notification notification;
  notification.alerts = {alert(AlertStatus::kFiring, {{"alertname", "Disk full"}}, {}),
                         alert(AlertStatus::kFiring, {{"alertname", "B"}}, {})};
  notification.alerts[0].fingerprint = "00ff";
  notification.alerts[1].generator_url = "https://own.example";
  add_links(notification, "");
  EXPECT_EQ(notification.external_url + notification.alerts[0].generator_url, "");
  add_links(notification, "https://m.example/d?org=1");
  EXPECT_EQ(notification.external_url, "https://m.example/d?org=1");
  EXPECT_EQ(notification.alerts[0].generator_url,
            "https://m.example/d?org=1&alertname=Disk%20full&fingerprint=00ff");
  EXPECT_EQ(notification.alerts[1].generator_url, "https://own.example") << "what it says itself";
  notification.alerts[0].generator_url.clear();
  add_links(notification, "https://m.example");
  EXPECT_EQ(notification.alerts[0].generator_url,
            "https://m.example?alertname=Disk%20full&fingerprint=00ff");
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
