#pragma once
// Groups of alerts, and what their receivers were last told, as rows.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "monitoring/dispatch/grouping.hpp"

namespace monitoring::routing {

/// What the table has of an alert of a group.
struct StoredMember {
  Labels labels;
  Instant unseen_since{};
  /// Of an alert that has resolved and that the group has still to tell of: monitoring.alerts may
  /// lose it before.
  std::optional<notify::AlertView> resolved;
};

struct StoredGroup {
  /// 0 until it is stored.
  std::int64_t id = 0;
  dispatch::Group group;
  /// The members that the table has.
  std::map<std::string, StoredMember> stored_alerts;
  /// Timer or state differ from the row.
  bool changed = false;
  /// To be deleted.
  bool finished = false;
};

std::vector<StoredGroup> load_groups(pg::Spi& spi);

/// Writes what has changed; nothing where nothing has. `view_of` knows every member.
void save_groups(
    pg::Spi& spi, std::vector<StoredGroup>& groups,
    const std::function<const notify::AlertView&(const std::string& fingerprint)>& view_of);

/// What receivers were last told about the groups with these keys. Notifications that are queued or
/// being retried are `delivery_pending`.
dispatch::NotificationLog load_log(pg::Spi& spi, const std::vector<std::string>& group_keys);

/// One decision about one receiver: a row of the audit trail, and perhaps of the log.
struct RecordedDecision {
  std::optional<std::string> receiver;
  /// Missing for an escalation.
  std::optional<std::int64_t> route_id;
  std::string group_key;
  std::string reason;
  std::string detail;
  std::optional<std::int64_t> notification_id;
  dispatch::Fingerprints firing;
  dispatch::Fingerprints resolved;
  std::vector<dispatch::SuppressedAlert> suppressed;
  /// Replaces the receiver's entry in the log.
  std::optional<dispatch::LogEntry> log;
};

void save_decisions(pg::Spi& spi, const std::vector<RecordedDecision>& decisions, Instant now);

/// Removes log entries whose time is over and whose group is gone.
void expire_log(pg::Spi& spi, Instant now);

}  // namespace monitoring::routing
