#include "rules/failed_receivers.hpp"

#include "monitoring/pg/prepared.hpp"

namespace monitoring::rules {

std::vector<alerting::Element> failed_receivers(pg::Spi& spi) {
  // Those that have lost a notification and have taken none since; and those that have been failing
  // for as long as health bears with, by the clock that attempts go by.
  static pg::Prepared statement(
      "SELECT DISTINCT ON (f.receiver) f.receiver, f.kind, f.reason, f.error FROM ("
      " SELECT r.receiver_name AS receiver, r.kind, coalesce(i.details ->> 'reason', '') AS reason,"
      "  coalesce(i.details ->> 'error', '') AS error, 1 AS rank"
      "  FROM monitoring.worker_issues i"
      "  JOIN monitoring.receivers r ON r.receiver_name = i.details ->> 'receiver'"
      "  WHERE i.worker_name = 'courier' AND i.issue_type = 'notification_dead'"
      "  AND i.resolved IS NOT TRUE AND r.enabled"
      " UNION ALL"
      " SELECT r.receiver_name, r.kind, 'retrying', coalesce(n.last_error, ''), 2"
      "  FROM monitoring.effective_health_thresholds t, monitoring.receivers r"
      "  JOIN monitoring.notifications n ON n.receiver = r.receiver_name"
      "  WHERE t.check_name = 'receiver_failing_seconds' AND r.enabled"
      "  AND n.status IN ('retrying', 'sending') AND n.attempts > 0"
      "  AND n.queued_at < clock_timestamp() - make_interval(secs => t.warning)) AS f"
      " ORDER BY f.receiver, f.rank",
      {});
  const pg::Rows rows = statement.query(spi);
  std::vector<alerting::Element> elements;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    const std::string receiver = *rows.text(row, 1);
    alerting::Element element;
    element.labels = {{"alertname", alerting::kNotificationFailedAlert},
                      {"severity", "critical"},
                      {"receiver", receiver},
                      {"kind", *rows.text(row, 2)},
                      {"reason", *rows.text(row, 3)}};
    element.annotations = {{"summary", "Receiver " + receiver + " was not told of an alert"},
                           {"description", *rows.text(row, 4)}};
    element.value = 1;
    elements.push_back(std::move(element));
  }
  return elements;
}

}  // namespace monitoring::rules
