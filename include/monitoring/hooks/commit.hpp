#pragma once
// What this backend tells the other processes when its transaction commits.

namespace monitoring::hooks {

/// Installs the object access hook that notices extensions and databases that come and go. Called
/// once, while the library is preloaded.
void watch_extensions();

/// This transaction has changed what the worker of this database goes by (its settings, its
/// schedule, monitoring.instance): once it commits, the worker is woken. Does nothing without
/// shared_preload_libraries.
void wake_worker_at_commit();

/// Blocks made by this backend (shmem::block) end with its transaction, however it ends.
void unblock_at_end_of_transaction();

}  // namespace monitoring::hooks
