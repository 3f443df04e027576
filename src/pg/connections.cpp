#include "monitoring/pg/connections.hpp"

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <access/xact.h>
#include <miscadmin.h>
#include <utils/backend_status.h>
}

namespace monitoring::pg {

namespace {

// 16 renamed the look at one entry of the local copy; both count from 1.
const PgBackendStatus* backend_status(int number) {
#if PG_VERSION_NUM >= 160000
  const LocalPgBackendStatus* entry = pgstat_get_local_beentry_by_index(number);
#else
  const LocalPgBackendStatus* entry = pgstat_fetch_stat_local_beentry(number);
#endif
  return entry != nullptr ? &entry->backendStatus : nullptr;
}

void count(const PgBackendStatus& status, Connections* connections) {
  const bool is_active = status.st_state == STATE_RUNNING || status.st_state == STATE_FASTPATH;
  ++(is_active ? connections->active : connections->idle);
}

}  // namespace

std::map<Oid, Connections> count_connections() {
  // A process without transactions would look at the same copy for ever.
  if (!IsTransactionState()) call([] { pgstat_clear_backend_activity_snapshot(); });
  const int backends = call([] { return pgstat_fetch_stat_numbackends(); });
  std::map<Oid, Connections> connections;
  for (int i = 1; i <= backends; ++i) {
    const PgBackendStatus* status = backend_status(i);
    if (status == nullptr || status->st_backendType != B_BACKEND) continue;
    count(*status, &connections[status->st_databaseid]);
  }
  return connections;
}

int most_connections() {
  return MaxConnections;
}

}  // namespace monitoring::pg
