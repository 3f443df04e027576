#pragma once
// What the HTTP server says about the cluster's health: from what the processes have left in shared
// memory, never from a database.

#include "monitoring/pg/postgres.hpp"
// clang-format keeps the server's header first.
#include <map>
#include <string>
#include <vector>

#include "monitoring/base/clock.hpp"
#include "monitoring/base/health_status.hpp"
#include "monitoring/shmem/worker_slots.hpp"

namespace monitoring::server {

/// The cluster at one moment.
struct ClusterView {
  Instant now{};
  Instant started_at{};
  /// The same moment by the clock that nobody sets.
  shmem::SteadyUs steady_now = 0;
  bool in_recovery = false;
  int client_connections = 0;
  /// What has not been looked at for so long is stale.
  Duration stale_after{};
  std::vector<shmem::WorkerSlot> processes;
  std::map<Oid, std::string> names;
};

struct Statement {
  bool is_good;  ///< 200 rather than 503
  std::string json;
};

/// Document-style health: status, timestamp, uptime, version, services, metrics; and each database
/// with the extension. Bad when critical or stale.
Statement health(const ClusterView& view);
/// The same in four words: status, database, cache, version.
Statement short_health(const ClusterView& view);
/// Alive, because it answers.
Statement liveness(const ClusterView& view);
/// Bad in recovery, and where a database that has the extension has no worker.
Statement readiness(const ClusterView& view);

}  // namespace monitoring::server
