#pragma once
// The checks of health that look into the tables. search_path must be pg_catalog.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "monitoring/base/clock.hpp"
#include "monitoring/base/health_finding.hpp"

namespace monitoring::health {

/// A row of monitoring.effective_health_thresholds.
struct HealthThreshold {
  std::optional<double> warning;
  std::optional<double> critical;
  /// The warning level itself is a warning already.
  bool inclusive = false;

  HealthStatus of(double value) const;
};

using HealthThresholds = std::map<std::string, HealthThreshold, std::less<>>;

HealthThresholds read_health_thresholds(pg::Spi& spi);

/// How long a worker may be paused.
Duration longest_pause(const HealthThresholds& thresholds);

/// Who asks: the monitoring worker does not call itself silent.
enum class Asker { anybody, monitoring_worker };

/// Of these only what keeps this database from being worked on.
HealthFindings find_process_faults(pg::Spi& spi, Instant now, Asker asker,
                                   const HealthThresholds& thresholds);

/// What is wrong with the processes, the clock, the record ring, replication, collectors, receivers
/// and routes.
HealthFindings find_faults(pg::Spi& spi, Instant now, Asker asker,
                           const HealthThresholds& thresholds);

/// The names of secrets that enabled receivers and probes name and that are not there, and who
/// names them.
struct MissingSecret {
  std::string name;
  std::string user;
};
std::vector<MissingSecret> missing_secrets(pg::Spi& spi);

/// Remembers, for the checks that follow, how many measurements the ring has dropped so far.
void note_dropped_records(pg::Spi& spi, Instant now);

}  // namespace monitoring::health
