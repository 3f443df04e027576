// The library's entry: what the server calls when it loads monitoring.so.

#include "monitoring/pg/postgres.hpp"

extern "C" {
#include <storage/ipc.h>
}

#include "monitoring/hooks/commit.hpp"
#include "monitoring/hooks/errors.hpp"
#include "monitoring/hooks/members.hpp"
#include "monitoring/hooks/statements.hpp"
#include "monitoring/hooks/utility.hpp"
#include "monitoring/pg/settings.hpp"
#include "monitoring/pg/time_limit.hpp"
#include "monitoring/shmem/cluster_collectors.hpp"
#include "monitoring/shmem/database_names.hpp"
#include "monitoring/shmem/record_ring.hpp"
#include "monitoring/shmem/registry.hpp"
#include "monitoring/shmem/worker_slots.hpp"
#include "monitoring/worker/launcher.hpp"
#include "monitoring/worker/server.hpp"

extern "C" {
PG_MODULE_MAGIC;
PGDLLEXPORT void _PG_init(void);
}

namespace {

shmem_request_hook_type next_request_hook = nullptr;
shmem_startup_hook_type next_startup_hook = nullptr;

void request_shared_memory() {
  if (next_request_hook != nullptr) next_request_hook();
  monitoring::shmem::request_slots();
  monitoring::shmem::request_ring();
  monitoring::shmem::request_registry();
  monitoring::shmem::request_names();
  monitoring::shmem::request_offers();
}

void create_shared_memory() {
  if (next_startup_hook != nullptr) next_startup_hook();
  monitoring::shmem::create_slots();
  monitoring::shmem::create_ring();
  monitoring::shmem::create_registry();
  monitoring::shmem::create_names();
  monitoring::shmem::create_offers();
}

void install_while_preloading() {
  next_request_hook = shmem_request_hook;
  shmem_request_hook = request_shared_memory;
  next_startup_hook = shmem_startup_hook;
  shmem_startup_hook = create_shared_memory;
  monitoring::hooks::watch_extensions();
  monitoring::hooks::watch_utility_commands();
  monitoring::hooks::watch_members();
  monitoring::hooks::time_statements();
  monitoring::hooks::count_errors();
  // pg_upgrade must find the databases untouched.
  if (IsBinaryUpgrade) return;
  monitoring::worker::register_launcher();
  monitoring::worker::register_server();
}

}  // namespace

void _PG_init() {
  monitoring::process_cancel_token() = new monitoring::pg::InterruptToken;
  monitoring::pg::define_settings(process_shared_preload_libraries_in_progress);
  if (process_shared_preload_libraries_in_progress) install_while_preloading();
}
