#pragma once
// Increments that count only if their transaction commits.

#include "monitoring/shmem/registry.hpp"

namespace monitoring::hooks {

/// Adds when the transaction commits; a roll-back, also to a savepoint before this call, takes it
/// back. PREPARE TRANSACTION is refused (0A000) while anything waits.
void add_at_commit(shmem::Series& series, double by);

}  // namespace monitoring::hooks
