// In monitoring.so, which knows of the HTTP server only that it is to be started.

#include "monitoring/pg/postgres.hpp"
#include "monitoring/worker/server.hpp"

extern "C" {
#include <postmaster/bgworker.h>
}

#include "monitoring/pg/settings.hpp"

namespace monitoring::worker {

void register_server() {
  if (pg::settings().http_port == 0) return;
  BackgroundWorker worker{};
  // No connection to a database: nothing that a client asks for can make a database wait, and
  // nothing in a database can make a client wait.
  worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
  worker.bgw_start_time = BgWorkerStart_ConsistentState;
  worker.bgw_restart_time = 1;
  strlcpy(worker.bgw_name, "monitoring server", BGW_MAXLEN);
  strlcpy(worker.bgw_type, "monitoring server", BGW_MAXLEN);
  strlcpy(worker.bgw_library_name, "monitoring_net", sizeof worker.bgw_library_name);
  strlcpy(worker.bgw_function_name, "monitoring_server_main", BGW_MAXLEN);
  RegisterBackgroundWorker(&worker);
}

}  // namespace monitoring::worker
