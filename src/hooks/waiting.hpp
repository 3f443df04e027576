#pragma once
// What waits for the commit of its transaction or subtransaction, in the memory of the session.

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <access/xact.h>
}
// clang-format keeps the server's headers first.
#include <vector>

namespace monitoring::hooks {

template <class Work>
struct Waiting {
  Work work;
  SubTransactionId transaction;
};

/// In the order of the calls: those of a subtransaction are at the end, as all later ones are part
/// of it.
template <class Work>
void end_subtransaction(std::vector<Waiting<Work>>& entries, SubXactEvent event,
                        SubTransactionId own, SubTransactionId parent) {
  if (event == SUBXACT_EVENT_ABORT_SUB) {
    while (!entries.empty() && entries.back().transaction == own) entries.pop_back();
  }
  if (event == SUBXACT_EVENT_COMMIT_SUB) {
    for (auto entry = entries.rbegin(); entry != entries.rend() && entry->transaction == own;
         ++entry) {
      entry->transaction = parent;
    }
  }
}

/// Has both called in this process from now on. Each pair of functions is registered once.
template <XactCallback on_transaction, SubXactCallback on_subtransaction>
void watch_transactions() {
  static bool watching = false;
  if (watching) return;
  pg::call([] {
    RegisterXactCallback(on_transaction, nullptr);
    RegisterSubXactCallback(on_subtransaction, nullptr);
  });
  watching = true;
}

}  // namespace monitoring::hooks
