#pragma once
// The checks of health that need no database: from what the processes have left in shared memory.
// So they hold when nothing can be written, and for those who ask over HTTP.

#include "monitoring/pg/postgres.hpp"
// clang-format keeps the server's header first.
#include <vector>

#include "monitoring/base/health_finding.hpp"
#include "monitoring/shmem/worker_slots.hpp"

namespace monitoring::shmem {

struct ProcessTerms {
  SteadyUs now;
  /// What gives no sign for so long is a reason.
  SteadyUs patience;
  /// How long a worker may be paused.
  SteadyUs longest_pause;
  /// When this database could have had a worker at the earliest.
  SteadyUs expected_since;
  /// The worker that asks is there, and is not its own witness.
  bool asked_by_worker;
};

/// What is wrong with the processes of this database.
HealthFindings check_processes(const std::vector<WorkerSlot>& slots, Oid database,
                               const ProcessTerms& terms);

}  // namespace monitoring::shmem
