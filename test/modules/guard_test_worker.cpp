// A background worker that ends transactions in every way pg::Transaction can end, and writes down
// what state it is in after each.
#include "monitoring/pg/guard.hpp"

extern "C" {
#include <access/xact.h>
#include <postmaster/bgworker.h>
#include <storage/latch.h>
#include <utils/memutils.h>
}
// clang-format keeps the server's headers first.
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "monitoring/pg/spi.hpp"
#include "monitoring/pg/transaction.hpp"

namespace pg = monitoring::pg;

namespace {

struct Account {
  Oid database;
  Oid role;
};

void execute(const char* sql) {
  pg::Spi spi;
  spi.execute(sql);
}

void commit(const char* sql) {
  pg::Transaction transaction;
  execute(sql);
  transaction.commit();
}

void leave_without_commit() {
  pg::Transaction transaction;
  execute("INSERT INTO public.guard_worker_log VALUES ('not committed', '')");
}

void fail_in_sql() {
  commit("INSERT INTO public.guard_worker_log SELECT 'failed', 1 / 0");
}

void fail_in_cpp() {
  pg::Transaction transaction;
  execute("INSERT INTO public.guard_worker_log VALUES ('thrown over', '')");
  throw pg::Report(ERRCODE_FEATURE_NOT_SUPPORTED, "our message");
}

void fail_at_commit() {
  commit("INSERT INTO public.guard_worker_log VALUES ('twice', ''), ('twice', '')");
}

/// The server refuses to begin a transaction inside of another one.
void fail_at_begin() {
  pg::Transaction transaction;
  execute("INSERT INTO public.guard_worker_log VALUES ('never begun', '')");
  pg::Transaction second;
}

std::string outcome_of(void (*step)()) {
  const MemoryContext context = CurrentMemoryContext;
  std::string outcome = "returned";
  try {
    step();
  } catch (const pg::PgError& error) {
    outcome = "the server's error " + error.sqlstate_text();
  } catch (const pg::Report& error) {
    outcome = std::string("our error ") + error.what();
  }
  if (IsTransactionOrTransactionBlock()) outcome += ", a transaction is still open";
  if (CurrentMemoryContext != context) outcome += ", in another memory context";
  if (InterruptHoldoffCount != 0) outcome += ", interrupts are held off";
  return outcome;
}

void write_down(const std::vector<std::pair<std::string, std::string>>& outcomes) {
  pg::Transaction transaction;
  {
    pg::Spi spi;
    for (const auto& [step, outcome] : outcomes) {
      spi.execute("INSERT INTO public.guard_worker_log VALUES ($1, $2)",
                  {pg::text(step), pg::text(outcome)});
    }
  }
  transaction.commit();
}

void run_worker() {
  Account account;
  std::memcpy(&account, MyBgworkerEntry->bgw_extra, sizeof account);
  pg::call([&] {
    BackgroundWorkerUnblockSignals();
    BackgroundWorkerInitializeConnectionByOid(account.database, account.role, 0);
    MemoryContextSwitchTo(
        AllocSetContextCreate(TopMemoryContext, "guard test worker", ALLOCSET_DEFAULT_SIZES));
  });
  const std::pair<const char*, void (*)()> steps[] = {
      {"left without a commit", leave_without_commit},
      {"failed in SQL", fail_in_sql},
      {"failed in C++", fail_in_cpp},
      {"failed at commit", fail_at_commit},
      {"failed at begin", fail_at_begin},
  };
  std::vector<std::pair<std::string, std::string>> outcomes;
  for (const auto& [name, step] : steps) outcomes.emplace_back(name, outcome_of(step));
  write_down(outcomes);
}

}  // namespace

extern "C" PGDLLEXPORT void monitoring_guard_test_main(Datum);

extern "C" void monitoring_guard_test_main(Datum) {
  pg::enter([] { run_worker(); });
}

/// Runs the worker in this database and waits until it has ended.
MONITORING_FUNCTION(guard_worker) {
  const Account account{MyDatabaseId, GetUserId()};
  BackgroundWorker worker{};
  worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
  worker.bgw_restart_time = BGW_NEVER_RESTART;
  worker.bgw_notify_pid = MyProcPid;
  std::snprintf(worker.bgw_name, sizeof worker.bgw_name, "guard test");
  std::snprintf(worker.bgw_type, sizeof worker.bgw_type, "guard test");
  std::snprintf(worker.bgw_library_name, sizeof worker.bgw_library_name, "guard_test");
  std::snprintf(worker.bgw_function_name, sizeof worker.bgw_function_name,
                "monitoring_guard_test_main");
  std::memcpy(worker.bgw_extra, &account, sizeof account);
  pg::call([&] {
    BackgroundWorkerHandle* handle = nullptr;
    if (!RegisterDynamicBackgroundWorker(&worker, &handle)) elog(ERROR, "no free worker slot");
    WaitForBackgroundWorkerShutdown(handle);
  });
  PG_RETURN_VOID();
}
