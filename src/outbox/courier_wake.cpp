#include "monitoring/outbox/courier_wake.hpp"

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <access/xact.h>
}
// clang-format keeps the server's headers first.
#include "monitoring/shmem/worker_slots.hpp"

namespace monitoring::outbox {

namespace {

/// Plain per-process state: what the current transaction has asked for.
bool registered = false;
bool wanted = false;

/// Runs where no error may be raised any more.
void at_end_of_transaction(XactEvent event, void*) {
  if (!wanted) return;
  if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE) return;
  wanted = false;
  if (event == XACT_EVENT_COMMIT) shmem::want_courier(MyDatabaseId);
}

}  // namespace

void wake_courier_at_commit() {
  if (!shmem::slots_available()) return;
  if (!registered) {
    pg::call([] { RegisterXactCallback(at_end_of_transaction, nullptr); });
    registered = true;
  }
  wanted = true;
}

}  // namespace monitoring::outbox
