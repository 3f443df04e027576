#include "monitoring/hooks/counting.hpp"

#include "monitoring/pg/guard.hpp"

#include <unordered_map>

#include "hooks/waiting.hpp"

namespace monitoring::hooks {

namespace {

struct Increment {
  shmem::Series* series;
  double by;
};

struct PendingCounts {
  std::vector<Waiting<Increment>> entries;
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
  for (const auto& [increment, _] : pending().entries) shmem::add(*increment.series, increment.by);
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
  end_subtransaction(pending().entries, event, own, parent);
}

}  // namespace

void add_at_commit(shmem::Series& series, double by) {
  watch_transactions<on_transaction_event, on_subtransaction_event>();
  const SubTransactionId transaction = GetCurrentSubTransactionId();
  PendingCounts& counts = pending();
  const auto [last, is_new] = counts.last.try_emplace(&series, counts.entries.size());
  if (!is_new && last->second < counts.entries.size()) {
    Waiting<Increment>& entry = counts.entries[last->second];
    if (entry.work.series == &series && entry.transaction == transaction) {
      entry.work.by += by;
      return;
    }
  }
  counts.entries.push_back({{&series, by}, transaction});
  last->second = counts.entries.size() - 1;
}

}  // namespace monitoring::hooks
