#pragma once
// What SQL functions that write say on a standby, and in a read-only transaction.

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <access/xact.h>
#include <access/xlog.h>
}

namespace monitoring::api {

/// Raises the server's own error, which names the function.
inline void refuse_on_standby(const char* function, const char* hint = "") {
  if (!RecoveryInProgress()) return;
  throw pg::Report(ERRCODE_READ_ONLY_SQL_TRANSACTION,
                   std::string("cannot execute ") + function + " during recovery")
      .hint(hint);
}

/// For what changes something that no transaction of the server guards: shared memory, another
/// process, another database. A query of a rule, a collector or a queue runs read-only, and is to
/// change nothing by such a function either.
inline void refuse_in_read_only(const char* function) {
  refuse_on_standby(function);
  if (!XactReadOnly) return;
  throw pg::Report(ERRCODE_READ_ONLY_SQL_TRANSACTION,
                   std::string("cannot execute ") + function + " in a read-only transaction");
}

}  // namespace monitoring::api
