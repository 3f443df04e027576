#include "monitoring/routing/routed_alerts.hpp"

#include <algorithm>
#include <utility>

#include "monitoring/base/labels_json.hpp"

namespace monitoring::routing {

namespace {

RoutedAlert alert_at(const pg::Rows& rows, std::uint64_t row) {
  RoutedAlert alert;
  notify::AlertView& view = alert.view;
  view.fingerprint = *rows.text(row, 1);
  view.labels = labels_of_stored(*rows.text(row, 2));
  view.annotations = labels_of_stored(*rows.text(row, 3));
  view.starts_at = *rows.timestamptz(row, 5);
  if (*rows.text(row, 4) == "resolved") {
    view.status = notify::AlertStatus::kResolved;
    view.ends_at = *rows.timestamptz(row, 6);
  }
  alert.acknowledged = *rows.boolean(row, 7);
  alert.false_positive = *rows.boolean(row, 8);
  alert.outranked = *rows.boolean(row, 9);
  alert.was_silenced = *rows.boolean(row, 10);
  alert.was_inhibited = *rows.boolean(row, 11);
  return alert;
}

std::vector<const dispatch::Matchers*> matchers_of(const std::vector<dispatch::Silence>& silences) {
  std::vector<const dispatch::Matchers*> lists;
  for (const dispatch::Silence& silence : silences) lists.push_back(&silence.matchers);
  return lists;
}

}  // namespace

RoutedAlerts load_routed_alerts(pg::Spi& spi) {
  // Should a fingerprint be there twice, the one that fires counts: it comes last.
  const pg::Rows rows = spi.query(
      "SELECT a.fingerprint, a.labels::text, a.annotations::text, a.state,"
      " coalesce(a.fired_at, a.active_at), coalesce(a.resolved_at, a.fired_at, a.active_at),"
      " a.acknowledged_at IS NOT NULL, a.false_positive, a.outranked, a.silenced, a.inhibited"
      " FROM monitoring.alerts a"
      " WHERE a.state = 'firing' OR a.state = 'resolved' AND ("
      "  EXISTS (SELECT FROM monitoring.alert_group_members m WHERE m.fingerprint = a.fingerprint)"
      "  OR EXISTS (SELECT FROM monitoring.alert_escalations e"
      "             WHERE e.fingerprint = a.fingerprint))"
      " ORDER BY a.state = 'firing', a.id");
  RoutedAlerts alerts;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    RoutedAlert alert = alert_at(rows, row);
    std::string fingerprint = alert.view.fingerprint;
    alerts[std::move(fingerprint)] = std::move(alert);
  }
  return alerts;
}

void end_acknowledgements(pg::Spi& spi, Instant now) {
  spi.execute(
      "UPDATE monitoring.alerts SET acknowledged_by = NULL, acknowledged_at = NULL,"
      " acknowledged_until = NULL WHERE acknowledged_until <= $1",
      {pg::timestamptz(now)});
}

void sum_up_ended_silences(pg::Spi& spi, Instant now, issues::UnusableObjects& unusable) {
  const pg::Rows rows = spi.query(
      "SELECT id::text FROM monitoring.silences WHERE NOT summed_up AND ends_at <= $1 ORDER BY 1",
      {pg::timestamptz(now)});
  std::vector<std::string> ended;
  for (std::uint64_t row = 0; row < rows.size(); ++row) ended.push_back(*rows.text(row, 1));
  for (const std::string& id : ended) {
    // Alerts are still marked as they were in the last pass.
    unusable.attempt("silence " + id, [&] {
      spi.execute(
          "UPDATE monitoring.silences s SET summed_up = true, still_firing = (SELECT"
          "  jsonb_agg(jsonb_build_object('fingerprint', a.fingerprint, 'rule_name', a.rule_name,"
          "   'severity', a.severity, 'labels', a.labels, 'fired_at', a.fired_at)"
          "   ORDER BY a.fired_at, a.id) FROM monitoring.alerts a WHERE a.state = 'firing'"
          "  AND a.silenced AND monitoring_internal.matches(s.matchers, a.labels))"
          " WHERE s.id = $1::uuid",
          {pg::text(id)});
    });
  }
}

void settle_stored_silences(pg::Spi& spi, RoutingConfig& config, const RoutedAlerts& alerts,
                            Instant now) {
  const auto& silences = config.silences;
  const bool any = std::any_of(silences.begin(), silences.end(),
                               [](const auto& silence) { return silence.until_resolved; });
  if (!any) return;
  std::vector<notify::AlertView> views;
  for (const auto& [fingerprint, alert] : alerts) views.push_back(alert.view);
  for (const std::size_t at : dispatch::settle_silences(config.silences, views, now)) {
    const dispatch::Silence& silence = config.silences[at];
    // It may not have begun by this clock, which is not the one that the silence was made by.
    spi.execute(
        "UPDATE monitoring.silences SET matched = $2, ends_at = greatest(starts_at, $3)"
        " WHERE id = $1::uuid",
        {pg::text(silence.id), pg::boolean(silence.matched), pg::timestamptz(silence.ends_at)});
  }
}

Suppressions::Suppressions(const RoutingConfig& config, const RoutedAlerts& alerts, Instant now)
    : config_(config),
      now_(now),
      inhibitor_(config.inhibit_rules),
      silences_(matchers_of(config.silences)) {
  for (const auto& [fingerprint, alert] : alerts) inhibitor_.add(alert.view, now);
}

std::optional<std::string> Suppressions::silenced(const Labels& labels) const {
  for (const std::size_t at : silences_.candidates(labels)) {
    const dispatch::Silence& silence = config_.silences[at];
    if (dispatch::silences(silence, labels, now_)) return "silenced by " + silence.id;
  }
  return std::nullopt;
}

std::optional<std::string> Suppressions::inhibited(const Labels& labels) const {
  const auto hit = inhibitor_.inhibits(labels);
  if (!hit) return std::nullopt;
  return "inhibited by alert " + hit->source + " (inhibition rule " + hit->rule + ")";
}

void find_suppressions(pg::Spi& spi, const RoutingConfig& config, RoutedAlerts& alerts,
                       Instant now) {
  const Suppressions suppressions(config, alerts, now);
  Json changed = Json::array();
  for (auto& [fingerprint, alert] : alerts) {
    alert.silenced = suppressions.silenced(alert.view.labels);
    alert.inhibited = suppressions.inhibited(alert.view.labels);
    if (!alert.inhibited && alert.outranked) {
      alert.inhibited = "inhibited by a more severe level of its threshold";
    }
    const bool same = alert.silenced.has_value() == alert.was_silenced &&
                      alert.inhibited.has_value() == alert.was_inhibited;
    if (same || !alert.firing()) continue;
    changed.push_back({{"fingerprint", fingerprint},
                       {"silenced", alert.silenced.has_value()},
                       {"inhibited", alert.inhibited.has_value()}});
  }
  if (changed.empty()) return;
  spi.execute(
      "UPDATE monitoring.alerts a SET silenced = c.silenced, inhibited = c.inhibited"
      " FROM jsonb_to_recordset($1) AS c(fingerprint text, silenced boolean, inhibited boolean)"
      " WHERE a.fingerprint = c.fingerprint AND a.state = 'firing'",
      {pg::jsonb(changed.dump())});
}

}  // namespace monitoring::routing
