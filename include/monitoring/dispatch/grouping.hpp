#pragma once
// Groups of alerts, their timers, and the log of what each receiver was last told. Alertmanager's
// dispatcher, dedup stage and notification log as plain structs and pure functions: the caller
// keeps the structs (as rows) and passes the time. README.md of src/notify has the state diagram.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "monitoring/base/clock.hpp"
#include "monitoring/base/labels.hpp"
#include "monitoring/dispatch/route.hpp"
#include "monitoring/notify/notification.hpp"

namespace monitoring::dispatch {

/// Fingerprints as in AlertView.
using Fingerprints = std::set<std::string>;

/// The alerts of one route that share their group labels.
struct Group {
  /// Names the group towards receivers; together with route_id it identifies the group.
  std::string key;
  std::int64_t route_id = 0;
  Labels labels;
  Fingerprints alerts;
  /// For each alert: when it came into the group, or last began or ended while its receivers could
  /// not learn of it. Whoever was told before then does not know of a firing that began since.
  std::map<std::string, Instant> unseen_since;
  Instant created_at{};
  Instant next_flush_at{};
  /// False until the first flush, whether or not that told anybody.
  bool has_flushed = false;
};

/// One configuration of a receiver that is told on its own account.
struct Integration {
  std::string receiver;
  /// Tells several integrations of one receiver apart.
  std::uint32_t index = 0;
  bool send_resolved = true;
};

/// What an integration was last told about a group.
struct LogEntry {
  Fingerprints firing;
  Fingerprints resolved;
  Instant sent_at{};
  /// From then on a group that starts anew does not remember the entry, and it can be removed
  /// once the group is gone.
  Instant expires_at{};
  /// The notification of this entry is still queued or being retried. True when a flush hands the
  /// entry out; the caller clears it once the notification is sent or dead. A mere repeat waits for
  /// that, so that a receiver that was down is not told the same thing many times.
  bool delivery_pending = false;
};

/// Entries by (group key, receiver, integration index).
class NotificationLog {
 public:
  /// Alertmanager's --data.retention.
  static constexpr Duration kRetention = std::chrono::hours(120);

  /// Null where there is none.
  const LogEntry* find(const std::string& group_key, const Integration& integration) const;
  void record(const std::string& group_key, const Integration& integration, LogEntry entry);
  std::size_t size() const { return entries_.size(); }

 private:
  using Key = std::pair<std::string, std::pair<std::string, std::uint32_t>>;
  std::map<Key, LogEntry> entries_;
};

/// The group that an alert entering by `route` belongs to, as it is when new: due after group_wait.
Group make_group(const Route& route, const Labels& alert_labels, Instant now);

/// Puts an alert into its group. Before the first flush, an alert that started longer ago than
/// group_wait makes the group due at once. Returns whether the group changed.
bool insert_alert(Group& group, const Route& route, const notify::AlertView& alert, Instant now);

/// The alert is kept from the group's receivers, or they took it for acknowledged: if it has begun
/// or ended since they could last learn of it, they do not know. Returns whether the group changed.
bool note_unseen(Group& group, const notify::AlertView& alert, Instant now);

/// Why an alert was left out of a flush.
enum class Suppression { kInhibited, kOutsideActiveTime, kMuteTime, kSilenced };

/// "inhibited", "outside_active_time", "mute_time" or "silenced".
std::string_view suppression_text(Suppression cause);

struct SuppressedAlert {
  std::string fingerprint;
  Suppression cause = Suppression::kSilenced;
  /// In words, for the audit trail.
  std::string reason;
};

/// What a flush asks its surroundings. Each filter answers the reason, or nothing; an empty
/// function never objects. They are asked in Alertmanager's order: inhibition, time, silences.
struct FlushFilters {
  std::function<std::optional<std::string>(const notify::AlertView&)> inhibited;
  /// Outside of the route's active times or inside its mute times.
  std::function<std::optional<std::pair<Suppression, std::string>>(const Route&)> muted;
  std::function<std::optional<std::string>(const notify::AlertView&)> silenced;
  /// Whether somebody took charge of the alert: it is not repeated.
  std::function<bool(const notify::AlertView&)> acknowledged;
};

/// Why an integration is told, or is not.
enum class FlushReason {
  kFirst,            // told: nobody was told about this group yet
  kNewFiring,        // told: alerts fire, or fire anew, that it does not know of
  kAllResolved,      // told: it knew of firing alerts, all are resolved now
  kNewResolved,      // told: some alerts resolved, others fire on
  kRepeat,           // told: nothing new, but repeat_interval has passed
  kUnsentResolved,   // logged only: resolved alerts, which this integration does not want
  kNothingFired,     // not: resolved before anybody was told
  kNothingNew,       // not: it was told the same within repeat_interval
  kAcknowledged,     // not: a repeat is due, but every firing alert is acknowledged
  kDeliveryPending,  // not: a repeat is due, but the last notification is not delivered yet
  kSuppressed,       // not: every alert is inhibited, muted or silenced
};

/// snake_case, for the audit trail: "new_firing".
std::string_view flush_reason_text(FlushReason reason);

/// What one integration is to be told.
struct FlushDecision {
  Integration integration;
  FlushReason reason = FlushReason::kNothingNew;
  /// The reason in words, with counts and times.
  std::string text;
  /// Queue a notification about `alerts`.
  bool notify = false;
  /// What to tell, in Alertmanager's order, each with its status at the time of the flush.
  std::vector<notify::AlertView> alerts;
  /// What to put into the notification log, in the transaction that queues the notification.
  std::optional<LogEntry> log;
};

struct FlushResult {
  std::vector<FlushDecision> decisions;
  std::vector<SuppressedAlert> suppressed;
  /// Resolved alerts that have left the group.
  Fingerprints removed;
  /// The group has no alerts left: delete it.
  bool finished = false;
};

/// The alert with this fingerprint, or null where it is not known any more.
using AlertLookup = std::function<const notify::AlertView*(const std::string& fingerprint)>;

/// Flushes a group whose time has come: decides for every integration of the route's receiver,
/// takes resolved alerts out of the group and sets its next flush. The next flush is group_interval
/// after the one that was due, or after `now` where that has passed as well.
FlushResult flush_group(Group& group, const Route& route,
                        const std::vector<Integration>& integrations, const NotificationLog& log,
                        const AlertLookup& find_alert, const FlushFilters& filters, Instant now);

/// The notification of a decision with `notify`.
notify::Notification make_notification(const Group& group, const FlushDecision& decision);

}  // namespace monitoring::dispatch
