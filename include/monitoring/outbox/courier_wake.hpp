#pragma once
// Tells the courier of this database, when the current transaction commits, that there is something
// to send.

namespace monitoring::outbox {

/// Cheap to call any number of times in a transaction. Nothing happens on rollback. A prepared
/// transaction wakes nobody: the worker's safety timer finds what COMMIT PREPARED has queued.
void wake_courier_at_commit();

}  // namespace monitoring::outbox
