#pragma once
// What SQL functions that write say on a standby.

#include "monitoring/pg/guard.hpp"

extern "C" {
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

}  // namespace monitoring::api
