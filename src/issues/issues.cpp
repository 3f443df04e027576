#include "monitoring/issues/issues.hpp"

namespace monitoring::issues {

bool is_issue_severity(std::string_view severity) {
  return severity == "info" || severity == "warning" || severity == "critical";
}

bool log_issue_once(pg::Spi& spi, const Issue& issue) {
  // Two processes may log the same issue at once; a second row is a nuisance, a lock would be more.
  const auto logged = spi.execute(
      "INSERT INTO monitoring.worker_issues (worker_name, issue_type, message, severity, details) "
      "SELECT $1, $2, $3, $4, $5 WHERE NOT EXISTS ("
      "SELECT FROM monitoring.worker_issues i WHERE i.worker_name OPERATOR(pg_catalog.=) $1 "
      "AND i.issue_type OPERATOR(pg_catalog.=) $2 AND i.message OPERATOR(pg_catalog.=) $3 "
      "AND i.resolved IS NOT TRUE)",
      {pg::text(issue.worker_name), pg::text(issue.issue_type), pg::text(issue.message),
       pg::text(issue.severity), pg::jsonb(issue.details)});
  return logged > 0;
}

void keep_issue(pg::Spi& spi, const Issue& issue) {
  const pg::Rows open = spi.query(
      "SELECT i.message FROM monitoring.worker_issues i WHERE i.worker_name OPERATOR(pg_catalog.=) "
      "$1"
      " AND i.issue_type OPERATOR(pg_catalog.=) $2 AND i.resolved IS NOT TRUE LIMIT 1",
      {pg::text(issue.worker_name), pg::text(issue.issue_type)});
  if (open.empty()) {
    log_issue_once(spi, issue);
    return;
  }
  if (open.text(0, 1) == issue.message) return;
  spi.execute(
      "UPDATE monitoring.worker_issues SET message = $3, details = $4"
      " WHERE worker_name OPERATOR(pg_catalog.=) $1 AND issue_type OPERATOR(pg_catalog.=) $2"
      " AND resolved IS NOT TRUE",
      {pg::text(issue.worker_name), pg::text(issue.issue_type), pg::text(issue.message),
       pg::jsonb(issue.details)});
}

std::uint64_t resolve_issues(pg::Spi& spi, std::string_view worker_name,
                             std::string_view issue_type, std::string_view resolution) {
  return spi.execute(
      "UPDATE monitoring.worker_issues SET resolved = true, resolution_details = $3, "
      "resolved_at = pg_catalog.now() WHERE worker_name OPERATOR(pg_catalog.=) $1 "
      "AND issue_type OPERATOR(pg_catalog.=) $2 AND resolved IS NOT TRUE",
      {pg::text(worker_name), pg::text(issue_type), pg::text(resolution)});
}

}  // namespace monitoring::issues
