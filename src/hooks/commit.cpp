#include "monitoring/hooks/commit.hpp"

#include "monitoring/shmem/registry.hpp"
#include "monitoring/shmem/worker_slots.hpp"

extern "C" {
#include <access/xact.h>
#include <catalog/objectaccess.h>
#include <catalog/pg_database.h>
#include <catalog/pg_extension.h>
#include <commands/extension.h>
}

namespace monitoring::hooks {

namespace {

/// What the current transaction has done. A rolled back subtransaction leaves its marks here; all
/// they can cause is a wake-up for nothing.
struct Marks {
  bool extensions_changed;
  bool has_extension;  ///< at the end of the transaction; valid with extensions_changed
  bool ours_dropped;
  bool databases_changed;
  bool worker_wanted;
  bool has_blocks;
};

Marks marks;
object_access_hook_type next_object_access_hook = nullptr;

void tell_others() {
  if (marks.extensions_changed) {
    shmem::announce(MyDatabaseId, marks.has_extension);
    // What drops something that the extension needs, too, reaches it without the utility hook.
    if (!marks.has_extension) shmem::stop_processes(MyDatabaseId);
    if (!marks.has_extension && marks.ours_dropped) shmem::remove_metrics(MyDatabaseId);
  }
  if (marks.databases_changed) shmem::wake_launcher();
  if (marks.worker_wanted) shmem::wake(shmem::Role::worker, MyDatabaseId);
}

void end_transaction() {
  // After the announcement, so that the launcher knows better than to start a worker again.
  if (marks.has_blocks) shmem::unblock_all();
  marks = Marks{};
}

void on_transaction_event(XactEvent event, void*) {
  switch (event) {
    case XACT_EVENT_PRE_COMMIT:
      // The last moment at which the catalog can be read.
      if (marks.extensions_changed) {
        marks.has_extension = OidIsValid(get_extension_oid("monitoring", true));
      }
      return;
    case XACT_EVENT_COMMIT:
      tell_others();
      end_transaction();
      return;
    case XACT_EVENT_ABORT:
    case XACT_EVENT_PREPARE:
      end_transaction();
      return;
    default:
      return;
  }
}

Marks& marks_of_transaction() {
  static bool registered = false;
  if (!registered) {
    RegisterXactCallback(on_transaction_event, nullptr);
    registered = true;
  }
  return marks;
}

void on_object_access(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id,
                      void* argument) {
  if (next_object_access_hook != nullptr) {
    next_object_access_hook(access, class_id, object_id, sub_id, argument);
  }
  if (access != OAT_POST_CREATE && access != OAT_DROP) return;
  if (class_id == ExtensionRelationId) {
    marks_of_transaction().extensions_changed = true;
    const bool is_ours = get_extension_oid("monitoring", true) == object_id;
    if (access == OAT_DROP && is_ours) marks.ours_dropped = true;
  }
  if (class_id == DatabaseRelationId) marks_of_transaction().databases_changed = true;
}

}  // namespace

void watch_extensions() {
  next_object_access_hook = object_access_hook;
  object_access_hook = on_object_access;
}

void wake_worker_at_commit() {
  if (shmem::slots_available()) marks_of_transaction().worker_wanted = true;
}

void unblock_at_end_of_transaction() {
  marks_of_transaction().has_blocks = true;
}

}  // namespace monitoring::hooks
