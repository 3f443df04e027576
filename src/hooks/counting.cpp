#include "monitoring/hooks/counting.hpp"

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <access/xact.h>
}
// clang-format keeps the server's headers first.
#include <unordered_map>
#include <vector>

namespace monitoring::hooks {

namespace {

struct Pending {
  shmem::Series* series;
  double by;
  SubTransactionId transaction;
};

/// In the order of the calls: those of a subtransaction are at the end, as all later ones are part
/// of it.
struct PendingCounts {
  std::vector<Pending> entries;
  /// Where a series was last; may be outdated.
  std::unordered_map<shmem::Series*, std::size_t> last;

  void clear() {
    entries.clear();
    last.clear();
  }
};

/// Lives as long as the process; made at its first use.
PendingCounts& pending() {
  static PendingCounts& counts = *new PendingCounts;
  return counts;
}

void apply() {
  for (const Pending& entry : pending().entries) shmem::add(*entry.series, entry.by);
}

void on_transaction_event(XactEvent event, void*) {
  switch (event) {
    case XACT_EVENT_PRE_PREPARE:
      if (pending().entries.empty()) return;
      ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
              errmsg("cannot PREPARE a transaction that has transactional increments"),
              errdetail("They wait for the commit in the memory of this session."),
              errhint("Count with transactional => false."));
      return;
    case XACT_EVENT_COMMIT:
      apply();
      pending().clear();
      return;
    case XACT_EVENT_ABORT:
    case XACT_EVENT_PREPARE:
      pending().clear();
      return;
    default:
      return;
  }
}

void on_subtransaction_event(SubXactEvent event, SubTransactionId own, SubTransactionId parent,
                             void*) {
  std::vector<Pending>& entries = pending().entries;
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

void watch_transactions() {
  static bool watching = false;
  if (watching) return;
  pg::call([] {
    RegisterXactCallback(on_transaction_event, nullptr);
    RegisterSubXactCallback(on_subtransaction_event, nullptr);
  });
  watching = true;
}

}  // namespace

void add_at_commit(shmem::Series& series, double by) {
  watch_transactions();
  const SubTransactionId transaction = GetCurrentSubTransactionId();
  PendingCounts& counts = pending();
  const auto [last, is_new] = counts.last.try_emplace(&series, counts.entries.size());
  if (!is_new && last->second < counts.entries.size()) {
    Pending& entry = counts.entries[last->second];
    if (entry.series == &series && entry.transaction == transaction) {
      entry.by += by;
      return;
    }
  }
  counts.entries.push_back({&series, by, transaction});
  last->second = counts.entries.size() - 1;
}

}  // namespace monitoring::hooks
