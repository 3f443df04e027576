#include "monitoring/worker/remote_sql.hpp"

#include "monitoring/pg/spi.hpp"

extern "C" {
#include <commands/dbcommands.h>
#include <postmaster/bgworker.h>
#include <storage/dsm.h>
#include <storage/ipc.h>
}
// clang-format keeps the server's headers first.
#include <cstring>

#include "monitoring/pg/transaction.hpp"
#include "monitoring/setup/jobs.hpp"
#include "monitoring/shmem/process.hpp"

extern "C" {
PGDLLEXPORT void monitoring_remote_sql_main(Datum);
}

namespace monitoring::worker {

namespace {

/// What caller and process share, in a segment that goes with the caller.
struct Errand {
  Oid database;
  Oid user;
  bool ended;  ///< written last; false where the process has died
  int sqlstate;
  std::int64_t rows;
  char message[512];
  char sql[FLEXIBLE_ARRAY_MEMBER];
};

/// Detaches the segment also when the wait for the process was cancelled.
class Segment {
 public:
  explicit Segment(std::size_t size) {
    segment_ = pg::call([&] { return dsm_create(size, 0); });
  }
  ~Segment() { dsm_detach(segment_); }
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;
  Errand* errand() const { return static_cast<Errand*>(dsm_segment_address(segment_)); }
  dsm_handle handle() const { return dsm_segment_handle(segment_); }

 private:
  dsm_segment* segment_;
};

void run_process(dsm_handle segment) {
  BackgroundWorker worker{};
  worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
  worker.bgw_restart_time = BGW_NEVER_RESTART;
  worker.bgw_notify_pid = MyProcPid;
  worker.bgw_main_arg = UInt32GetDatum(segment);
  strlcpy(worker.bgw_name, "monitoring errand", BGW_MAXLEN);
  strlcpy(worker.bgw_type, "monitoring errand", BGW_MAXLEN);
  strlcpy(worker.bgw_library_name, "monitoring", sizeof worker.bgw_library_name);
  strlcpy(worker.bgw_function_name, "monitoring_remote_sql_main", BGW_MAXLEN);
  const bool registered = pg::call([&] {
    BackgroundWorkerHandle* handle = nullptr;
    if (!RegisterDynamicBackgroundWorker(&worker, &handle)) return false;
    WaitForBackgroundWorkerShutdown(handle);
    return true;
  });
  if (registered) return;
  throw pg::Report(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED, "no background worker process is free")
      .hint("Raise max_worker_processes.");
}

void note(Errand* errand, int sqlstate, const char* message) {
  errand->sqlstate = sqlstate;
  strlcpy(errand->message, message, sizeof errand->message);
}

void run_errand(Errand* errand) {
  try {
    pg::Transaction transaction;
    {
      pg::Spi spi;
      setup::require_pg_cron(spi);
      errand->rows = static_cast<std::int64_t>(spi.query(errand->sql).size());
    }
    transaction.commit();
  } catch (const pg::PgError& error) {
    note(errand, error.sqlstate(), error.what());
  } catch (const pg::Report& error) {
    note(errand, error.sqlstate(), error.what());
  }
  errand->ended = true;
}

}  // namespace

std::int64_t run_beside_pg_cron(const std::string& database, const std::string& sql) {
  const Oid target = pg::call([&] { return get_database_oid(database.c_str(), false); });
  const Segment segment(offsetof(Errand, sql) + sql.size() + 1);
  Errand* errand = segment.errand();
  std::memset(static_cast<void*>(errand), 0, offsetof(Errand, sql));
  errand->database = target;
  errand->user = GetUserId();
  std::memcpy(errand->sql, sql.c_str(), sql.size() + 1);
  run_process(segment.handle());
  if (!errand->ended) {
    throw pg::Report(ERRCODE_CONNECTION_FAILURE, "could not work in database \"" + database + "\"")
        .hint("The server's log says why.");
  }
  if (errand->sqlstate != 0) throw pg::Report(errand->sqlstate, errand->message);
  return errand->rows;
}

}  // namespace monitoring::worker

void monitoring_remote_sql_main(Datum argument) {
  using namespace monitoring::worker;
  monitoring::shmem::unblock_signals();
  dsm_segment* segment = dsm_attach(DatumGetUInt32(argument));
  if (segment == nullptr) proc_exit(0);
  auto* errand = static_cast<Errand*>(dsm_segment_address(segment));
  BackgroundWorkerInitializeConnectionByOid(errand->database, errand->user, 0);
  monitoring::pg::enter([&] { run_errand(errand); });
  dsm_detach(segment);
  proc_exit(0);
}
