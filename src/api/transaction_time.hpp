#pragma once
// The clock of SQL functions that run a pass: that of their transaction, as now() shows it.

#include "monitoring/pg/spi.hpp"

extern "C" {
#include <access/xact.h>
}

namespace monitoring::api {

inline Instant transaction_time() {
  return pg::instant_of(GetCurrentTransactionStartTimestamp());
}

}  // namespace monitoring::api
