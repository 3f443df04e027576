// SQL entry points around the worker: status, pause, wake.

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <funcapi.h>
#include <utils/builtins.h>
#include <utils/timestamp.h>
#include <utils/tuplestore.h>
}
// clang-format keeps the server's headers first.
#include <vector>

#include "api/standby.hpp"
#include "monitoring/hooks/commit.hpp"
#include "monitoring/shmem/worker_slots.hpp"

using namespace monitoring;

namespace {

const char* name_of(shmem::Role role) {
  switch (role) {
    case shmem::Role::launcher:
      return "launcher";
    case shmem::Role::worker:
      return "worker";
    case shmem::Role::courier:
      return "courier";
    case shmem::Role::server:
      return "server";
    case shmem::Role::none:
      break;
  }
  return "";
}

const char* name_of(shmem::Activity activity) {
  switch (activity) {
    case shmem::Activity::waiting:
      return "waiting";
    case shmem::Activity::starting:
      return "starting";
    case shmem::Activity::running:
      return "running";
    case shmem::Activity::paused:
      return "paused";
    case shmem::Activity::holding:
      return "holding";
  }
  return "";
}

/// One row of worker_status; the columns are those of monitoring_internal.worker_status().
void put_row(ReturnSetInfo* result, const shmem::WorkerSlot& slot) {
  constexpr int kColumns = 9;
  Datum values[kColumns] = {ObjectIdGetDatum(slot.database),
                            CStringGetTextDatum(name_of(slot.role)),
                            CStringGetTextDatum(name_of(slot.activity)),
                            Int32GetDatum(slot.pid),
                            TimestampTzGetDatum(slot.started_at),
                            TimestampTzGetDatum(slot.last_tick_at),
                            Int64GetDatum(static_cast<int64>(slot.ticks)),
                            Int64GetDatum(static_cast<int64>(slot.errors)),
                            CStringGetTextDatum(slot.last_error)};
  bool nulls[kColumns] = {!OidIsValid(slot.database),
                          false,
                          false,
                          slot.pid == 0,
                          slot.started_at == 0,
                          slot.last_tick_at == 0,
                          false,
                          false,
                          slot.last_error[0] == '\0'};
  tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

void require_preload() {
  if (shmem::slots_available()) return;
  throw pg::Report(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "monitoring has no worker")
      .hint("Add monitoring to shared_preload_libraries and restart the server.");
}

}  // namespace

/// monitoring_internal.worker_status() -> setof record
MONITORING_FUNCTION(monitoring_worker_status) {
  auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  pg::call([&] { InitMaterializedSRF(fcinfo, 0); });
  if (!shmem::slots_available()) return 0;
  const std::vector<shmem::WorkerSlot> slots = shmem::all_slots();
  pg::call([&] {
    for (const shmem::WorkerSlot& slot : slots) put_row(result, slot);
  });
  return 0;
}

/// monitoring_internal.wake_worker() -> void
MONITORING_FUNCTION(monitoring_wake_worker) {
  hooks::wake_worker_at_commit();
  PG_RETURN_VOID();
}

/// monitoring.pause_worker() -> void
MONITORING_FUNCTION(monitoring_pause_worker) {
  require_preload();
  api::refuse_in_read_only("pause_worker()");
  // The wait ends with the user's cancel at the latest: a duty may take long.
  constexpr int kPatienceMs = 1000;
  if (!shmem::pause(MyDatabaseId)) {
    throw pg::Report(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED, "too many databases have a worker")
        .hint("Raise max_worker_processes.");
  }
  while (!pg::call([] { return shmem::wait_until_idle(MyDatabaseId, kPatienceMs); })) {
  }
  PG_RETURN_VOID();
}

/// monitoring.resume_worker() -> void
MONITORING_FUNCTION(monitoring_resume_worker) {
  require_preload();
  api::refuse_in_read_only("resume_worker()");
  shmem::resume(MyDatabaseId);
  PG_RETURN_VOID();
}
