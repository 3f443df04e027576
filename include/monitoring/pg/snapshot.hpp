#pragma once
// A snapshot of now, active for the length of a scope.

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <access/xact.h>
#include <utils/snapmgr.h>
}
// clang-format keeps the server's headers first.
#include <exception>

namespace monitoring::pg {

/// Under READ COMMITTED it shows everything committed by now; under stricter isolation, what the
/// transaction's snapshot shows. In both cases also what this transaction has done before.
class FreshSnapshot {
 public:
  FreshSnapshot() : exceptions_before_(std::uncaught_exceptions()) {
    call([] {
      CommandCounterIncrement();
      PushActiveSnapshot(GetTransactionSnapshot());
      UpdateActiveSnapshotCommandId();
    });
    snapshot_ = GetActiveSnapshot();
  }
  ~FreshSnapshot() {
    // The abort that follows an error pops it.
    if (std::uncaught_exceptions() == exceptions_before_) PopActiveSnapshot();
  }
  FreshSnapshot(const FreshSnapshot&) = delete;
  FreshSnapshot& operator=(const FreshSnapshot&) = delete;

  Snapshot get() const { return snapshot_; }

 private:
  Snapshot snapshot_ = nullptr;
  int exceptions_before_;
};

}  // namespace monitoring::pg
