#include "monitoring/pg/transaction.hpp"

extern "C" {
#include <access/xact.h>
#include <utils/memutils.h>
#include <utils/resowner.h>
#include <utils/snapmgr.h>
}

namespace monitoring::pg {

Transaction::Transaction() : outer_(CurrentMemoryContext) {
  try {
    call([] {
      SetCurrentStatementStartTimestamp();
      StartTransactionCommand();
      PushActiveSnapshot(GetTransactionSnapshot());
    });
  } catch (...) {
    abort();
    throw;
  }
}

Transaction::~Transaction() {
  if (open_) abort();
}

void Transaction::commit() {
  call([] {
    PopActiveSnapshot();
    CommitTransactionCommand();
  });
  open_ = false;
  MemoryContextSwitchTo(outer_);
}

void Transaction::abort() {
  // It holds interrupts off and survives being called in any state. Should it fail all the same,
  // the error goes to the server's own handler, which ends a worker.
  AbortCurrentTransaction();
  MemoryContextSwitchTo(outer_);
}

bool is_cancel(const PgError& error) {
  return error.sqlstate() == ERRCODE_QUERY_CANCELED && error.raised_by() == "ProcessInterrupts";
}

namespace detail {

SubTransaction::SubTransaction() : context_(CurrentMemoryContext), owner_(CurrentResourceOwner) {
  call([] { BeginInternalSubTransaction(nullptr); });
  MemoryContextSwitchTo(context_);
}

SubTransaction::~SubTransaction() {
  if (!open_) return;
  RollbackAndReleaseCurrentSubTransaction();
  restore();
}

void SubTransaction::commit() {
  call([] { ReleaseCurrentSubTransaction(); });
  open_ = false;
  restore();
}

void SubTransaction::restore() {
  MemoryContextSwitchTo(context_);
  CurrentResourceOwner = owner_;
}

}  // namespace detail

}  // namespace monitoring::pg
