#pragma once
// A notification: what one receiver is told about one group of alerts at one moment.
//
// The fields are those of Alertmanager's template data (template.Data), which every payload builder
// works from. Plain structs, free of any receiver's format and of secrets.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/base/clock.hpp"
#include "monitoring/base/labels.hpp"

namespace monitoring::notify {

enum class AlertStatus { kFiring, kResolved };

/// "firing" or "resolved".
std::string_view status_text(AlertStatus status);

/// One alert as a receiver is shown it.
struct AlertView {
  AlertStatus status = AlertStatus::kFiring;
  Labels labels;
  /// Rendered annotations: a set of names with values, like labels.
  Labels annotations;
  Instant starts_at{};
  /// When it resolved. Missing while it fires.
  std::optional<Instant> ends_at;
  /// Where the alert's rule can be looked at; may be empty.
  std::string generator_url;
  /// 16 hex digits, fingerprint_text(labels.fingerprint()).
  std::string fingerprint;
};

/// Whether it has resolved by `now`: an end that still lies ahead does not count.
bool resolved_at(const AlertView& alert, Instant now);

/// Somebody took charge of a group.
struct Acknowledgement {
  std::string by;
  std::string note;
};

struct Notification {
  /// The receiver's name.
  std::string receiver;
  /// Firing while at least one alert fires.
  AlertStatus status = AlertStatus::kFiring;
  Labels group_labels;
  /// What all alerts have in common.
  Labels common_labels;
  Labels common_annotations;
  /// Where this monitoring can be looked at; may be empty.
  std::string external_url;
  /// Identifies the group for a receiver over time: route key and group labels.
  std::string group_key;
  /// Tells this database from others that have the same groups; may be empty.
  std::string origin;
  /// Set where the notification says that the group was acknowledged, and nothing else.
  std::optional<Acknowledgement> acknowledgement;
  /// Alerts of the group that were left out of `alerts`.
  std::uint64_t truncated_alerts = 0;
  /// Sorted by the order in which they are to be shown.
  std::vector<AlertView> alerts;

  std::size_t firing_count() const;
  std::size_t resolved_count() const { return alerts.size() - firing_count(); }
};

/// Says where the notification can be looked at, and each alert that does not say so itself: at
/// external_url with the alert's name and fingerprint as its query.
void add_links(Notification& notification, const std::string& external_url);

/// Sets group status, common labels and common annotations from `alerts`.
void summarize(Notification& notification);

}  // namespace monitoring::notify
