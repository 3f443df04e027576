#include "monitoring/routing/routing_pass.hpp"

extern "C" {
#include <catalog/pg_type.h>
}
// clang-format keeps the server's headers first.
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "monitoring/issues/issues.hpp"
#include "monitoring/pg/prepared.hpp"
#include "monitoring/routing/config.hpp"
#include "monitoring/routing/routed_alerts.hpp"
#include "monitoring/routing/time_zones.hpp"
#include "routing/acknowledgement.hpp"
#include "routing/decisions.hpp"
#include "routing/escalations.hpp"
#include "routing/groups.hpp"

namespace monitoring::routing {

namespace {

using dispatch::Route;

/// Under which trouble with time intervals shows in health.
constexpr const char* kIssueWorker = "monitoring: alert routing";
constexpr const char* kIssueType = "time_interval";
constexpr const char* kUnusable = "unusable";

/// With no alerts and nothing left of earlier ones there is nothing to do.
bool anything_to_route(pg::Spi& spi) {
  const pg::Rows rows = spi.query(
      "SELECT EXISTS (SELECT FROM monitoring.alerts WHERE state = 'firing')"
      " OR EXISTS (SELECT FROM monitoring.alert_groups)"
      " OR EXISTS (SELECT FROM monitoring.alert_escalations)"
      " OR EXISTS (SELECT FROM monitoring.silences WHERE matched AND ends_at = 'infinity')"
      " OR EXISTS (SELECT FROM monitoring.notification_log)");
  return *rows.boolean(0, 1);
}

/// One pass over everything: built anew each time, so that it sees the configuration as it is.
class RoutingPass {
 public:
  RoutingPass(pg::Spi& spi, Instant now, issues::UnusableObjects& unusable, bool careful)
      : spi_(spi),
        now_(now),
        config_(load_routing(spi, now, &unusable)),
        alerts_(load_routed_alerts(spi)),
        groups_(load_groups(spi)),
        dispatch_(spi, now, unusable, careful) {}

  void run() {
    restore_lost();
    settle_stored_silences(spi_, config_, alerts_, now_);
    find_suppressions(spi_, config_, alerts_, now_);
    assign_groups();
    note_unseen();
    flush_due();
    note_who_can_be_told();
    escalate_alerts(spi_, config_.policies, alerts_, dispatch_, now_);
    save_groups(spi_, groups_, [this](const std::string& fingerprint) -> const notify::AlertView& {
      return alerts_.at(fingerprint).view;
    });
    dispatch_.save();
    tell_acknowledged(spi_, config_, groups_, alerts_, dispatch_);
    dispatch_.save();
    expire_log(spi_, now_);
  }

 private:
  using GroupName = std::pair<std::int64_t, std::string>;

  void restore_lost();
  void assign_groups();
  void insert(const Route& route, const RoutedAlert& alert);
  void remove_strays();
  void note_unseen();
  void note_who_can_be_told();
  void flush_due();
  void flush(StoredGroup& stored, dispatch::NotificationLog& log);
  void carry_out(const StoredGroup& stored, const dispatch::FlushResult& result,
                 const dispatch::FlushDecision& decision, dispatch::NotificationLog& log);
  dispatch::FlushFilters filters();
  std::optional<std::pair<dispatch::Suppression, std::string>> muted(const Route& route);

  pg::Spi& spi_;
  Instant now_;
  RoutingConfig config_;
  RoutedAlerts alerts_;
  std::vector<StoredGroup> groups_;
  Dispatch dispatch_;
  std::map<GroupName, std::size_t> group_at_;
  /// The groups that each firing alert belongs to by the present configuration.
  std::set<std::pair<std::string, std::size_t>> members_;
  /// Groups that were looked at in this pass.
  std::set<std::size_t> flushed_;
  /// What muted() has answered, by route.
  std::map<std::int64_t, std::optional<std::pair<dispatch::Suppression, std::string>>> muted_;
  bool time_failed_ = false;
};

/// Alerts that a group knows and monitoring.alerts does not: they have resolved, too long ago or
/// with the rule that they came from.
void RoutingPass::restore_lost() {
  for (const StoredGroup& stored : groups_) {
    for (const auto& [fingerprint, member] : stored.stored_alerts) {
      const auto [at, is_lost] = alerts_.try_emplace(fingerprint);
      if (!is_lost) continue;
      notify::AlertView& view = at->second.view;
      if (member.resolved) {
        view = *member.resolved;
        continue;
      }
      view.status = notify::AlertStatus::kResolved;
      view.labels = member.labels;
      view.fingerprint = fingerprint;
      view.starts_at = stored.group.created_at;
      view.ends_at = now_;
    }
  }
}

void RoutingPass::assign_groups() {
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    group_at_[{groups_[i].group.route_id, groups_[i].group.key}] = i;
  }
  for (const auto& [fingerprint, alert] : alerts_) {
    if (!alert.firing()) continue;
    for (const Route* route : config_.routes.match(alert.view.labels)) insert(*route, alert);
  }
  remove_strays();
}

void RoutingPass::insert(const Route& route, const RoutedAlert& alert) {
  if (!receiver_of(route.options)) return;
  dispatch::Group fresh = dispatch::make_group(route, alert.view.labels, now_);
  const auto [at, is_new] = group_at_.try_emplace({route.id, fresh.key}, groups_.size());
  if (is_new) {
    StoredGroup stored;
    stored.group = std::move(fresh);
    groups_.push_back(std::move(stored));
  }
  StoredGroup& stored = groups_[at->second];
  if (dispatch::insert_alert(stored.group, route, alert.view, now_)) stored.changed = true;
  members_.insert({alert.view.fingerprint, at->second});
}

/// A change of routes moves firing alerts: they leave the groups that they no longer belong to. A
/// group whose route is gone, or leads to nobody, ends.
void RoutingPass::remove_strays() {
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    dispatch::Group& group = groups_[i].group;
    for (auto at = group.alerts.begin(); at != group.alerts.end();) {
      const auto alert = alerts_.find(*at);
      const bool strays =
          alert != alerts_.end() && alert->second.firing() && members_.count({*at, i}) == 0;
      if (strays) group.unseen_since.erase(*at);
      at = strays ? group.alerts.erase(at) : std::next(at);
    }
    const Route* route = config_.routes.find(group.route_id);
    const bool leads_nowhere = route == nullptr || !receiver_of(route->options);
    groups_[i].finished = leads_nowhere || group.alerts.empty();
  }
}

/// What begins or ends while a group's receiver cannot learn of it is news once it can.
void RoutingPass::note_unseen() {
  for (StoredGroup& stored : groups_) {
    if (stored.finished) continue;
    const Route& route = *config_.routes.find(stored.group.route_id);
    const bool nobody_listens =
        dispatch_.obstacle(*receiver_of(route.options)) != nullptr || muted(route).has_value();
    for (const std::string& fingerprint : stored.group.alerts) {
      const RoutedAlert& alert = alerts_.at(fingerprint);
      const bool taken = alert.acknowledged && !alert.firing();
      const bool kept_back = nobody_listens || alert.silenced || alert.inhibited || taken;
      if (kept_back) dispatch::note_unseen(stored.group, alert.view, now_);
    }
  }
}

/// Escalations wait while all routes of an alert are muted, and afterwards, or after a silence,
/// until one of its groups has been looked at: nobody else is told before the first.
void RoutingPass::note_who_can_be_told() {
  for (const auto& [fingerprint, at] : members_) {
    const StoredGroup& stored = groups_[at];
    RoutedAlert& alert = alerts_.at(fingerprint);
    alert.is_routed = true;
    if (muted(*config_.routes.find(stored.group.route_id))) continue;
    alert.has_open_route = true;
    if (flushed_.count(at) > 0) alert.was_flushed = true;
  }
}

void RoutingPass::flush_due() {
  std::vector<std::size_t> due;
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    if (groups_[i].finished || groups_[i].group.next_flush_at > now_) continue;
    due.push_back(i);
    keys.push_back(groups_[i].group.key);
  }
  if (due.empty()) return;
  dispatch::NotificationLog log = load_log(spi_, keys);
  for (const std::size_t i : due) {
    flush(groups_[i], log);
    flushed_.insert(i);
  }
  if (!time_failed_) {
    issues::resolve_issues(spi_, kIssueWorker, kIssueType,
                           "all time intervals of routes are known");
  }
}

void RoutingPass::flush(StoredGroup& stored, dispatch::NotificationLog& log) {
  const Route& route = *config_.routes.find(stored.group.route_id);
  const std::string receiver = *receiver_of(route.options);
  const char* obstacle = dispatch_.obstacle(receiver);
  std::vector<dispatch::Integration> integrations;
  if (obstacle == nullptr) {
    integrations.push_back({receiver, 0, dispatch_.find(receiver)->send_resolved});
  } else {
    RecordedDecision record;
    record.receiver = receiver;
    record.route_id = route.id;
    record.group_key = stored.group.key;
    record.reason = obstacle;
    record.firing = stored.group.alerts;
    dispatch_.note(std::move(record));
  }
  const auto find_alert = [this](const std::string& fingerprint) -> const notify::AlertView* {
    const auto at = alerts_.find(fingerprint);
    return at == alerts_.end() ? nullptr : &at->second.view;
  };
  const dispatch::FlushResult result =
      dispatch::flush_group(stored.group, route, integrations, log, find_alert, filters(), now_);
  stored.changed = true;
  stored.finished = result.finished;
  for (const dispatch::FlushDecision& decision : result.decisions) {
    carry_out(stored, result, decision, log);
  }
}

void RoutingPass::carry_out(const StoredGroup& stored, const dispatch::FlushResult& result,
                            const dispatch::FlushDecision& decision,
                            dispatch::NotificationLog& log) {
  const bool nothing_new = decision.reason == dispatch::FlushReason::kNothingNew;
  if (nothing_new && result.suppressed.empty()) return;
  RecordedDecision record;
  record.receiver = decision.integration.receiver;
  record.route_id = stored.group.route_id;
  record.group_key = stored.group.key;
  record.reason = dispatch::flush_reason_text(decision.reason);
  record.detail = decision.text;
  record.suppressed = result.suppressed;
  record.log = decision.log;
  if (decision.log) {
    record.firing = decision.log->firing;
    record.resolved = decision.log->resolved;
    // Another route's group of the same key may be flushed in this pass.
    log.record(stored.group.key, decision.integration, *decision.log);
  }
  if (!decision.notify) {
    dispatch_.note(std::move(record));
    return;
  }
  dispatch_.tell(std::move(record), dispatch::make_notification(stored.group, decision),
                 outbox::TellResolved::kAsReceiverSays);
}

dispatch::FlushFilters RoutingPass::filters() {
  dispatch::FlushFilters filters;
  filters.inhibited = [this](const notify::AlertView& alert) {
    return alerts_.at(alert.fingerprint).inhibited;
  };
  filters.silenced = [this](const notify::AlertView& alert) {
    return alerts_.at(alert.fingerprint).silenced;
  };
  filters.acknowledged = [this](const notify::AlertView& alert) {
    return alerts_.at(alert.fingerprint).acknowledged;
  };
  filters.muted = [this](const Route& route) { return muted(route); };
  return filters;
}

/// Losing a page is worse than sending one at night: times that cannot be told mute nobody.
std::optional<std::pair<dispatch::Suppression, std::string>> RoutingPass::muted(
    const Route& route) {
  const auto [at, is_new] = muted_.try_emplace(route.id);
  if (!is_new) return at->second;
  auto answer =
      dispatch::muted_by_time(route.options, config_.time_intervals, now_, ServerTimeZones());
  if (answer) return at->second = std::move(answer).value();
  time_failed_ = true;
  issues::log_issue_once(spi_, {kIssueWorker, kIssueType,
                                "route " + std::to_string(route.id) + ": " +
                                    answer.error().message + "; its alerts are told at all times"});
  return std::nullopt;
}

}  // namespace

void route_alerts(pg::Spi& spi, Instant now) {
  if (!anything_to_route(spi)) return;
  end_acknowledgements(spi, now);
  const auto run = [&](issues::UnusableObjects& unusable, bool careful) {
    sum_up_ended_silences(spi, now, unusable);
    RoutingPass(spi, now, unusable, careful).run();
  };
  issues::UnusableObjects unusable(kIssueWorker, kUnusable);
  if (issues::try_alone([&] { run(unusable, false); })) {
    unusable = issues::UnusableObjects(kIssueWorker, kUnusable);
    run(unusable, true);
  }
  unusable.settle(spi);
}

bool flush_due(pg::Spi& spi, Instant now) {
  static pg::Prepared statement(
      "SELECT EXISTS (SELECT FROM monitoring.alert_groups WHERE next_flush_at <= $1)",
      {TIMESTAMPTZOID});
  return *statement.query(spi, {pg::timestamptz(now)}).boolean(0, 1);
}

}  // namespace monitoring::routing
