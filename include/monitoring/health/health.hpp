#pragma once
// The health of the system: queues, processing, workers. See the COMMENT of get_system_health()
// for what each figure means; src/health/health.cpp reads them through indexes, never the whole of
// the measurements. search_path must be pg_catalog.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/base/clock.hpp"
#include "monitoring/base/health_finding.hpp"
#include "monitoring/health/checks.hpp"

namespace monitoring::health {

/// A status and why it is not healthy. Raising never makes it better.
struct Verdict {
  HealthStatus status = HealthStatus::healthy;
  /// The names of the checks, each once.
  std::vector<std::string> reasons;
  /// What they found, in words.
  HealthFindings findings;

  void raise(HealthFinding finding);
};

struct QueueHealth {
  Verdict verdict;
  std::int64_t checked = 0;
  std::int64_t with_issues = 0;
  std::int64_t stuck_messages = 0;
  std::int64_t pending_messages = 0;
  std::optional<Instant> last_check_time;
};

struct ProcessingHealth {
  Verdict verdict;
  std::int64_t measurements = 0;
  /// Failed operations by all operations, 0 to 1. Missing where no measurement tells of any.
  std::optional<double> error_rate;
  std::optional<double> p95_ms;
  std::optional<Instant> last_measurement_time;
};

struct WorkerHealth {
  Verdict verdict;
  std::int64_t workers = 0;
  std::int64_t stale_workers = 0;
  std::int64_t open_issues = 0;
  std::int64_t critical_issues = 0;
};

struct SystemHealth {
  Instant timestamp{};
  QueueHealth queues;
  ProcessingHealth processing;
  WorkerHealth workers;

  HealthStatus overall() const;
};

SystemHealth system_health(pg::Spi& spi, Instant now, Asker asker = Asker::anybody);

/// The JSON of public.get_system_health().
std::string health_json(const SystemHealth& health);

/// Compares the status with the last one that was written down and logs a change as an event
/// health_status_changed. Each part that is not healthy is an alert SystemHealth: whom the routes
/// lead it to is told of it, in this transaction.
SystemHealth check_health(pg::Spi& spi, Instant now);

}  // namespace monitoring::health
