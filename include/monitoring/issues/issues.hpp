#pragma once
// monitoring.worker_issues: trouble of the user's workers and of our own, open until resolved.
// Statements qualify every name and operator: they are safe whatever search_path is.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <string>
#include <string_view>

namespace monitoring::issues {

struct Issue {
  std::string worker_name;
  std::string issue_type;
  std::string message;
  /// 'info', 'warning' or 'critical'.
  std::string severity = "warning";
  /// A JSON object.
  std::string details = "{}";
};

bool is_issue_severity(std::string_view severity);

/// Logs the issue unless one with this worker, type and message is open already, so that a duty
/// that fails at every tick leaves one row for each distinct error. True if it was logged.
bool log_issue_once(pg::Spi& spi, const Issue& issue);

/// Keeps one issue of this worker and type open, with this message: for errors whose text is new
/// each time.
void keep_issue(pg::Spi& spi, const Issue& issue);

/// Resolves every open issue of this worker and type: the duty works again. Returns how many.
std::uint64_t resolve_issues(pg::Spi& spi, std::string_view worker_name,
                             std::string_view issue_type, std::string_view resolution);

}  // namespace monitoring::issues
