#include "health/alerts.hpp"

#include "monitoring/base/json.hpp"
#include "monitoring/issues/issues.hpp"
#include "monitoring/pg/transaction.hpp"
// clang-format keeps the server's headers first.
#include <algorithm>
#include <map>
#include <set>

#include "monitoring/notify/notification.hpp"
#include "monitoring/notify/webhook.hpp"
#include "monitoring/routing/config.hpp"
#include "monitoring/routing/routed_alerts.hpp"
#include "monitoring/routing/time_zones.hpp"

namespace monitoring::health {

namespace {

constexpr const char* kAlertName = "SystemHealth";
/// One group for all of health, in the form of Alertmanager's group keys.
constexpr const char* kGroupKey = "{}:{alertname=\"SystemHealth\"}";

constexpr const char* kIssueWorker = "health";
constexpr const char* kNotQueued = "notification_not_queued";
constexpr const char* kNotTold = "health_not_told";

struct HealthAlert {
  std::string part;
  std::string severity;
  Instant since{};
  std::string description;
};

/// What a receiver was told of a part.
struct Told {
  std::string severity;
  Instant since{};
  Instant told_at{};
};

using ToldParts = std::map<std::string, Told>;

std::string words_of(const Verdict& verdict) {
  std::string text;
  for (const HealthFinding& finding : verdict.findings) {
    text += (text.empty() ? "" : "; ") + finding.reason;
  }
  return text;
}

/// The passes of routing name what they cannot use; here it only must not be in the way.
routing::RoutingConfig load_usable_routing(pg::Spi& spi, Instant now) {
  issues::UnusableObjects unusable("", "");
  return routing::load_routing(spi, now, &unusable);
}

/// Whom an alert goes to.
struct Audience {
  /// Receivers, and after how long each is told again.
  std::map<std::string, Duration> receivers;
  /// Somebody silenced it, or another alert inhibits it: nothing is said about it, not even its
  /// end.
  bool is_suppressed = false;
};

class Routing {
 public:
  Routing(pg::Spi& spi, Instant now)
      : now_(now),
        config_(load_usable_routing(spi, now)),
        suppressions_(config_, routing::load_routed_alerts(spi), now) {
    const pg::Rows rows = spi.query(
        "SELECT r.receiver_name, EXISTS (SELECT FROM monitoring.watchdogs w"
        " WHERE w.receiver = r.receiver_name) FROM monitoring.receivers r WHERE r.enabled");
    for (std::uint64_t row = 0; row < rows.size(); ++row) {
      is_watchdog_[*rows.text(row, 1)] = *rows.boolean(row, 2);
    }
  }

  Audience audience_of(const Labels& labels) const {
    Audience audience;
    audience.is_suppressed =
        suppressions_.silenced(labels).has_value() || suppressions_.inhibited(labels).has_value();
    bool leads_somewhere = false;
    for (const dispatch::Route* route : config_.routes.match(labels)) {
      const auto receiver = routing::receiver_of(route->options);
      if (!receiver || is_watchdog_.count(*receiver) == 0) continue;
      leads_somewhere = true;
      if (is_muted(*route)) continue;
      audience.receivers.emplace(*receiver, route->options.repeat_interval);
    }
    if (!leads_somewhere) audience.receivers = everybody();
    return audience;
  }

 private:
  /// Times that cannot be told mute nobody.
  bool is_muted(const dispatch::Route& route) const {
    const auto muted = dispatch::muted_by_time(route.options, config_.time_intervals, now_,
                                               routing::ServerTimeZones());
    return muted && muted->has_value();
  }

  /// A dead man's switch would take it for a ping.
  std::map<std::string, Duration> everybody() const {
    std::map<std::string, Duration> receivers;
    for (const auto& [receiver, is_watchdog] : is_watchdog_) {
      if (!is_watchdog) receivers.emplace(receiver, Duration::max());
    }
    return receivers;
  }

  const Instant now_;
  const routing::RoutingConfig config_;
  const routing::Suppressions suppressions_;
  /// Of the enabled receivers.
  std::map<std::string, bool> is_watchdog_;
};

class Teller {
 public:
  Teller(pg::Spi& spi, const SystemHealth& health)
      : spi_(spi),
        health_(health),
        database_(*spi.query("SELECT current_database()::text").text(0, 1)),
        routing_(spi, health.timestamp) {}

  void run() {
    load_told();
    add_alert("queue_health", health_.queues.verdict);
    add_alert("processing_health", health_.processing.verdict);
    add_alert("worker_health", health_.workers.verdict);
    std::set<std::string> receivers;
    for (const auto& [receiver, parts] : told_) receivers.insert(receiver);
    for (const auto& [part, audience] : audiences_) {
      for (const auto& [receiver, repeat] : audience.receivers) receivers.insert(receiver);
    }
    for (const std::string& receiver : receivers) try_to_tell(receiver);
    if (!one_failed_)
      issues::resolve_issues(spi_, kIssueWorker, kNotQueued, "It could be queued again.");
  }

 private:
  void load_told() {
    const pg::Rows rows = spi_.query(
        "SELECT receiver, part, severity, since, told_at FROM monitoring_internal.health_told");
    for (std::uint64_t row = 0; row < rows.size(); ++row) {
      told_[*rows.text(row, 1)][*rows.text(row, 2)] = {
          *rows.text(row, 3), *rows.timestamptz(row, 4), *rows.timestamptz(row, 5)};
    }
  }

  void add_alert(const char* part, const Verdict& verdict) {
    if (verdict.status == HealthStatus::healthy) return;
    HealthAlert alert{part, std::string(status_text(verdict.status)), health_.timestamp,
                      words_of(verdict)};
    audiences_[part] = routing_.audience_of(labels_of(alert.part, alert.severity));
    alerts_.emplace(part, std::move(alert));
  }

  Labels labels_of(const std::string& part, const std::string& severity) const {
    Labels labels;
    labels.set("alertname", kAlertName);
    labels.set("database", database_);
    labels.set("part", part);
    labels.set("severity", severity);
    return labels;
  }

  /// A receiver that cannot be told is an issue and keeps nobody else from being told.
  void try_to_tell(const std::string& receiver) {
    const auto error = pg::attempt([&] { tell(receiver); });
    if (!error) return;
    one_failed_ = true;
    issues::log_issue_once(
        spi_, {kIssueWorker, kNotQueued, "receiver \"" + receiver + "\": " + error->message()});
  }

  void tell(const std::string& receiver) {
    const ToldParts told = told_[receiver];
    ToldParts now_told;
    notify::Notification notification;
    bool has_news = false;
    for (const auto& [part, alert] : alerts_) {
      const Audience& audience = audiences_.at(part);
      const auto before = told.find(part);
      const auto repeat = audience.receivers.find(receiver);
      if (audience.is_suppressed || repeat == audience.receivers.end()) {
        if (before != told.end()) now_told.insert(*before);
        continue;
      }
      const bool is_same = before != told.end() && before->second.severity == alert.severity;
      const bool is_due = !is_same || health_.timestamp - before->second.told_at >= repeat->second;
      has_news = has_news || is_due;
      Told& entry = now_told[part];
      entry = {alert.severity, is_same ? before->second.since : alert.since,
               is_due ? health_.timestamp : before->second.told_at};
      notification.alerts.push_back(view(part, entry, alert.description));
    }
    for (const auto& [part, before] : told) {
      if (!has_ended(part, before, now_told)) continue;
      has_news = true;
      notification.alerts.push_back(view(part, before, "It is over."));
      notification.alerts.back().status = notify::AlertStatus::kResolved;
      notification.alerts.back().ends_at = health_.timestamp;
    }
    if (!has_news) return;
    queue(receiver, std::move(notification));
    remember(receiver, now_told);
  }

  /// The part is healthy again, or tells of another severity now.
  bool has_ended(const std::string& part, const Told& before, const ToldParts& now_told) const {
    const auto now = now_told.find(part);
    if (now != now_told.end()) return now->second.severity != before.severity;
    return !routing_.audience_of(labels_of(part, before.severity)).is_suppressed;
  }

  notify::AlertView view(const std::string& part, const Told& told,
                         const std::string& description) const {
    notify::AlertView view;
    view.labels = labels_of(part, told.severity);
    view.annotations.set("summary", "System health of " + database_ + " is " +
                                        std::string(status_text(health_.overall())));
    view.annotations.set("description", description);
    view.starts_at = told.since;
    view.fingerprint = fingerprint_text(view.labels.fingerprint());
    return view;
  }

  void queue(const std::string& receiver, notify::Notification notification) {
    notification.receiver = receiver;
    notification.group_key = kGroupKey;
    notification.group_labels.set("alertname", kAlertName);
    notify::summarize(notification);
    const std::string payload = notify::webhook_json(notification).dump();
    spi_.execute("SELECT monitoring_internal.queue_notification($1, $2, $3)",
                 {pg::text(receiver), pg::text(kGroupKey), pg::jsonb(payload)});
  }

  void remember(const std::string& receiver, const ToldParts& told) {
    spi_.execute("DELETE FROM monitoring_internal.health_told WHERE receiver = $1",
                 {pg::text(receiver)});
    for (const auto& [part, entry] : told) {
      spi_.execute(
          "INSERT INTO monitoring_internal.health_told (receiver, part, severity, since, told_at)"
          " VALUES ($1, $2, $3, $4, $5)",
          {pg::text(receiver), pg::text(part), pg::text(entry.severity),
           pg::timestamptz(entry.since), pg::timestamptz(entry.told_at)});
    }
  }

  pg::Spi& spi_;
  const SystemHealth& health_;
  const std::string database_;
  const Routing routing_;
  std::map<std::string, HealthAlert> alerts_;  // by part
  std::map<std::string, Audience> audiences_;
  std::map<std::string, ToldParts> told_;
  bool one_failed_ = false;
};

bool anything_to_tell(pg::Spi& spi, const SystemHealth& health) {
  if (health.overall() != HealthStatus::healthy) return true;
  return *spi.query("SELECT EXISTS (SELECT FROM monitoring_internal.health_told)").boolean(0, 1);
}

}  // namespace

void tell_health(pg::Spi& spi, const SystemHealth& health) {
  if (!anything_to_tell(spi, health)) return;
  spi.execute(
      "DELETE FROM monitoring_internal.health_told t WHERE NOT EXISTS (SELECT FROM "
      "monitoring.receivers r"
      " WHERE r.receiver_name = t.receiver AND r.enabled)");
  // Routes that cannot be loaded keep the check of health from nothing else.
  const auto error = pg::attempt([&] { Teller(spi, health).run(); });
  if (error) {
    issues::log_issue_once(spi, {kIssueWorker, kNotTold, error->message()});
  } else {
    issues::resolve_issues(spi, kIssueWorker, kNotTold, "It could be told again.");
  }
}

}  // namespace monitoring::health
