#include "monitoring/dispatch/grouping.hpp"

#include <algorithm>

#include "monitoring/base/instant_math.hpp"

namespace monitoring::dispatch {

namespace {

bool is_subset(const Fingerprints& part, const Fingerprints& whole) {
  return std::includes(whole.begin(), whole.end(), part.begin(), part.end());
}

/// model.LabelSet.Before: fewer labels first, then by the first name or value that differs.
bool labels_before(const Labels& a, const Labels& b) {
  if (a.size() != b.size()) return a.size() < b.size();
  for (auto x = a.begin(), y = b.begin(); x != a.end(); ++x, ++y) {
    // The set that lacks the smaller name comes first.
    if (x->first != y->first) return x->first > y->first;
    if (x->second != y->second) return x->second < y->second;
  }
  return false;
}

/// types.AlertSlice.Less: by job, by instance, then by all labels.
bool alert_before(const notify::AlertView& a, const notify::AlertView& b) {
  for (const std::string_view name : {"job", "instance"}) {
    const bool in_a = a.labels.has(name);
    const bool in_b = b.labels.has(name);
    if (in_a != in_b) return in_a;
    if (a.labels.get(name) != b.labels.get(name)) return a.labels.get(name) < b.labels.get(name);
  }
  return labels_before(a.labels, b.labels);
}

/// A copy whose status is the one at `now`, so that it does not change under way.
notify::AlertView frozen(const notify::AlertView& alert, Instant now) {
  notify::AlertView copy = alert;
  const bool resolved = notify::resolved_at(alert, now);
  copy.status = resolved ? notify::AlertStatus::kResolved : notify::AlertStatus::kFiring;
  if (!resolved) copy.ends_at.reset();
  return copy;
}

std::vector<notify::AlertView> known_alerts(const Group& group, const AlertLookup& find_alert,
                                            Instant now) {
  std::vector<notify::AlertView> alerts;
  for (const std::string& fingerprint : group.alerts) {
    if (const notify::AlertView* alert = find_alert(fingerprint))
      alerts.push_back(frozen(*alert, now));
  }
  std::stable_sort(alerts.begin(), alerts.end(), alert_before);
  return alerts;
}

/// The first filter that objects to the alert. `muted` is the answer for the whole route.
std::optional<SuppressedAlert> suppression_of(
    const notify::AlertView& alert, const FlushFilters& filters,
    const std::optional<std::pair<Suppression, std::string>>& muted) {
  if (filters.inhibited) {
    if (auto reason = filters.inhibited(alert)) {
      return SuppressedAlert{alert.fingerprint, Suppression::kInhibited, std::move(*reason)};
    }
  }
  if (muted) return SuppressedAlert{alert.fingerprint, muted->first, muted->second};
  if (filters.silenced) {
    if (auto reason = filters.silenced(alert)) {
      return SuppressedAlert{alert.fingerprint, Suppression::kSilenced, std::move(*reason)};
    }
  }
  return std::nullopt;
}

/// Moves the alerts that a filter objects to out of `alerts`.
std::vector<SuppressedAlert> take_suppressed(std::vector<notify::AlertView>& alerts,
                                             const Route& route, const FlushFilters& filters) {
  std::vector<SuppressedAlert> suppressed;
  std::optional<std::pair<Suppression, std::string>> muted;
  if (filters.muted) muted = filters.muted(route);
  const auto objectionable = [&](const notify::AlertView& alert) {
    auto suppression = suppression_of(alert, filters, muted);
    if (!suppression) return false;
    suppressed.push_back(std::move(*suppression));
    return true;
  };
  alerts.erase(std::remove_if(alerts.begin(), alerts.end(), objectionable), alerts.end());
  return suppressed;
}

/// The alerts of a flush as the decisions look at them.
struct Snapshot {
  explicit Snapshot(std::vector<notify::AlertView> remaining) : alerts(std::move(remaining)) {
    for (const notify::AlertView& alert : alerts) {
      (alert.status == notify::AlertStatus::kResolved ? resolved : firing)
          .insert(alert.fingerprint);
    }
  }

  std::vector<notify::AlertView> alerts;
  Fingerprints firing;
  Fingerprints resolved;
  /// Every firing alert is, and there is one.
  bool acknowledged = false;
};

/// Alertmanager compares fingerprints alone, and so takes an alert that ended unseen (in a silence,
/// say) and fires anew for the one that it has told of.
bool fires_unknown(const Snapshot& snapshot, const Group& group, const LogEntry& entry) {
  return std::any_of(snapshot.alerts.begin(), snapshot.alerts.end(),
                     [&](const notify::AlertView& alert) {
                       if (alert.status == notify::AlertStatus::kResolved) return false;
                       if (entry.firing.count(alert.fingerprint) == 0) return true;
                       const auto unseen = group.unseen_since.find(alert.fingerprint);
                       return unseen != group.unseen_since.end() &&
                              unseen->second > entry.sent_at && alert.starts_at > entry.sent_at;
                     });
}

/// The part of a group_interval by which a flush may come early to be the one of the repeat:
/// flushes come at its multiples, late by as much as the worker was busy.
constexpr int kRepeatTolerance = 10;

/// Alertmanager waits for the flush after repeat_interval has passed, which is one group_interval
/// too late where the one is a multiple of the other.
bool repeat_is_due(const LogEntry& entry, const RouteOptions& options, Instant now) {
  const Duration tolerance = options.group_interval / kRepeatTolerance;
  return later(entry.sent_at, options.repeat_interval) <= later(now, tolerance);
}

std::string count_text(std::size_t count, const char* what) {
  return std::to_string(count) + ' ' + what;
}

std::string seconds_text(Duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(duration).count()) + " s";
}

bool tells(FlushReason reason) {
  return reason <= FlushReason::kRepeat;
}

/// A repeat is due: the ways in which this extension withholds one.
FlushReason repeat_reason(const Snapshot& snapshot, const LogEntry& entry) {
  if (snapshot.acknowledged) return FlushReason::kAcknowledged;
  return entry.delivery_pending ? FlushReason::kDeliveryPending : FlushReason::kRepeat;
}

/// DedupStage.needsUpdate, with what follows from send_resolved.
FlushReason decide(const Snapshot& snapshot, const Group& group, const LogEntry* entry,
                   bool send_resolved, const RouteOptions& options, Instant now) {
  if (entry == nullptr) {
    return snapshot.firing.empty() ? FlushReason::kNothingFired : FlushReason::kFirst;
  }
  if (fires_unknown(snapshot, group, *entry)) return FlushReason::kNewFiring;
  if (snapshot.firing.empty()) {
    if (entry->firing.empty()) return FlushReason::kNothingFired;
    return send_resolved ? FlushReason::kAllResolved : FlushReason::kUnsentResolved;
  }
  if (send_resolved && !is_subset(snapshot.resolved, entry->resolved)) {
    return FlushReason::kNewResolved;
  }
  if (repeat_is_due(*entry, options, now)) return repeat_reason(snapshot, *entry);
  return FlushReason::kNothingNew;
}

std::string reason_words(FlushReason reason, const Snapshot& snapshot, const LogEntry* entry,
                         const Route& route, Instant now) {
  const std::string firing = count_text(snapshot.firing.size(), "firing");
  const std::string resolved = count_text(snapshot.resolved.size(), "resolved");
  const std::string since = entry ? seconds_text(elapsed(entry->sent_at, now)) : std::string();
  const std::string repeat = "repeat_interval of " + seconds_text(route.options.repeat_interval);
  switch (reason) {
    case FlushReason::kFirst:
      return "first notification of the group: " + firing;
    case FlushReason::kNewFiring:
      return "alerts fire that the receiver was not told of: " + firing;
    case FlushReason::kAllResolved:
      return "all alerts resolved: " + resolved;
    case FlushReason::kNewResolved:
      return "some alerts resolved: " + resolved + ", " + firing;
    case FlushReason::kRepeat:
      return "repeated: last told " + since + " ago, beyond the " + repeat;
    case FlushReason::kUnsentResolved:
      return "all alerts resolved, and the receiver has send_resolved off";
    case FlushReason::kNothingFired:
      return "resolved before the receiver was told: " + resolved;
    case FlushReason::kNothingNew:
      return "nothing new: last told " + since + " ago, within the " + repeat;
    case FlushReason::kAcknowledged:
      return "a repeat is due, but all alerts are acknowledged";
    case FlushReason::kDeliveryPending:
      return "a repeat is due, but the notification from " + since + " ago is not delivered yet";
    case FlushReason::kSuppressed:
      return "all alerts are inhibited, muted or silenced";
  }
  return {};
}

std::vector<notify::AlertView> without_resolved(const std::vector<notify::AlertView>& alerts) {
  std::vector<notify::AlertView> firing;
  std::copy_if(
      alerts.begin(), alerts.end(), std::back_inserter(firing),
      [](const notify::AlertView& alert) { return alert.status == notify::AlertStatus::kFiring; });
  return firing;
}

FlushDecision decide_for(const Integration& integration, const Snapshot& snapshot,
                         const Group& group, const LogEntry* entry, const Route& route,
                         Instant now) {
  FlushDecision decision;
  decision.integration = integration;
  decision.reason = snapshot.alerts.empty() ? FlushReason::kSuppressed
                                            : decide(snapshot, group, entry,
                                                     integration.send_resolved, route.options, now);
  decision.text = reason_words(decision.reason, snapshot, entry, route, now);
  decision.notify = tells(decision.reason);
  if (decision.notify) {
    decision.alerts =
        integration.send_resolved ? snapshot.alerts : without_resolved(snapshot.alerts);
  }
  if (decision.notify || decision.reason == FlushReason::kUnsentResolved) {
    decision.log = LogEntry{snapshot.firing, snapshot.resolved, now,
                            later(now, NotificationLog::kRetention), decision.notify};
  }
  return decision;
}

void schedule_next(Group& group, const Route& route, Instant now) {
  const Duration interval = route.options.group_interval;
  const Instant next = later(group.next_flush_at, interval);
  group.next_flush_at = next > now ? next : later(now, interval);
  group.has_flushed = true;
}

/// Takes out what is resolved, and what is not known any more.
Fingerprints remove_finished(Group& group, const AlertLookup& find_alert, Instant now) {
  Fingerprints removed;
  for (auto at = group.alerts.begin(); at != group.alerts.end();) {
    const notify::AlertView* alert = find_alert(*at);
    if (alert != nullptr && !notify::resolved_at(*alert, now)) {
      ++at;
      continue;
    }
    removed.insert(*at);
    group.unseen_since.erase(*at);
    at = group.alerts.erase(at);
  }
  return removed;
}

bool all_acknowledged(const Snapshot& snapshot, const FlushFilters& filters) {
  if (!filters.acknowledged || snapshot.firing.empty()) return false;
  return std::all_of(
      snapshot.alerts.begin(), snapshot.alerts.end(), [&](const notify::AlertView& alert) {
        return alert.status == notify::AlertStatus::kResolved || filters.acknowledged(alert);
      });
}

}  // namespace

const LogEntry* NotificationLog::find(const std::string& group_key,
                                      const Integration& integration) const {
  const auto at = entries_.find({group_key, {integration.receiver, integration.index}});
  return at == entries_.end() ? nullptr : &at->second;
}

void NotificationLog::record(const std::string& group_key, const Integration& integration,
                             LogEntry entry) {
  entries_[{group_key, {integration.receiver, integration.index}}] = std::move(entry);
}

Group make_group(const Route& route, const Labels& alert_labels, Instant now) {
  Group group;
  group.labels = group_labels(route, alert_labels);
  group.key = group_key(route, group.labels);
  group.route_id = route.id;
  group.created_at = now;
  group.next_flush_at = later(now, route.options.group_wait);
  return group;
}

bool insert_alert(Group& group, const Route& route, const notify::AlertView& alert, Instant now) {
  bool changed = group.alerts.insert(alert.fingerprint).second;
  if (changed) group.unseen_since[alert.fingerprint] = now;
  const bool waited = later(alert.starts_at, route.options.group_wait) < now;
  if (!group.has_flushed && waited && group.next_flush_at > now) {
    group.next_flush_at = now;
    changed = true;
  }
  return changed;
}

bool note_unseen(Group& group, const notify::AlertView& alert, Instant now) {
  const auto at = group.unseen_since.find(alert.fingerprint);
  if (at == group.unseen_since.end()) return false;
  const bool resolved = alert.status == notify::AlertStatus::kResolved;
  const Instant changed_at = resolved ? alert.ends_at.value_or(now) : alert.starts_at;
  if (changed_at <= at->second) return false;
  at->second = now;
  return true;
}

std::string_view suppression_text(Suppression cause) {
  switch (cause) {
    case Suppression::kInhibited:
      return "inhibited";
    case Suppression::kOutsideActiveTime:
      return "outside_active_time";
    case Suppression::kMuteTime:
      return "mute_time";
    case Suppression::kSilenced:
      return "silenced";
  }
  return "";
}

std::string_view flush_reason_text(FlushReason reason) {
  switch (reason) {
    case FlushReason::kFirst:
      return "first";
    case FlushReason::kNewFiring:
      return "new_firing";
    case FlushReason::kAllResolved:
      return "all_resolved";
    case FlushReason::kNewResolved:
      return "new_resolved";
    case FlushReason::kRepeat:
      return "repeat";
    case FlushReason::kUnsentResolved:
      return "unsent_resolved";
    case FlushReason::kNothingFired:
      return "nothing_fired";
    case FlushReason::kNothingNew:
      return "nothing_new";
    case FlushReason::kAcknowledged:
      return "acknowledged";
    case FlushReason::kDeliveryPending:
      return "delivery_pending";
    case FlushReason::kSuppressed:
      return "suppressed";
  }
  return "";
}

FlushResult flush_group(Group& group, const Route& route,
                        const std::vector<Integration>& integrations, const NotificationLog& log,
                        const AlertLookup& find_alert, const FlushFilters& filters, Instant now) {
  FlushResult result;
  std::vector<notify::AlertView> alerts = known_alerts(group, find_alert, now);
  result.suppressed = take_suppressed(alerts, route, filters);
  Snapshot snapshot(std::move(alerts));
  snapshot.acknowledged = all_acknowledged(snapshot, filters);
  for (const Integration& integration : integrations) {
    const LogEntry* entry = log.find(group.key, integration);
    // A group that lives on keeps its memory; one that starts anew does not dig up an old one.
    if (entry != nullptr && !group.has_flushed && entry->expires_at <= now) entry = nullptr;
    result.decisions.push_back(decide_for(integration, snapshot, group, entry, route, now));
  }
  schedule_next(group, route, now);
  result.removed = remove_finished(group, find_alert, now);
  result.finished = group.alerts.empty();
  return result;
}

notify::Notification make_notification(const Group& group, const FlushDecision& decision) {
  notify::Notification notification;
  notification.receiver = decision.integration.receiver;
  notification.group_labels = group.labels;
  notification.group_key = group.key;
  notification.alerts = decision.alerts;
  notify::summarize(notification);
  return notification;
}

}  // namespace monitoring::dispatch
