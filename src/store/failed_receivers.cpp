#include "store/failed_receivers.hpp"

#include "monitoring/pg/prepared.hpp"

namespace monitoring::store {

std::vector<alerting::Element> failed_receivers(pg::Spi& spi) {
  static pg::Prepared statement(
      "SELECT r.receiver_name, r.kind, coalesce(i.details ->> 'reason', ''),"
      " coalesce(i.details ->> 'error', '')"
      " FROM monitoring.worker_issues i"
      " JOIN monitoring.receivers r ON r.receiver_name = i.details ->> 'receiver'"
      " WHERE i.worker_name = 'courier' AND i.issue_type = 'notification_dead'"
      " AND i.resolved IS NOT TRUE AND r.enabled",
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

}  // namespace monitoring::store
