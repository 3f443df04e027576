#include "monitoring/shmem/process.hpp"

extern "C" {
#include <catalog/pg_authid.h>
#include <miscadmin.h>
#include <pgstat.h>
#include <postmaster/bgworker.h>
#include <postmaster/interrupt.h>
#include <signal.h>
#include <storage/latch.h>
#include <tcop/tcopprot.h>
#include <utils/backend_status.h>
#include <utils/guc.h>
#include <utils/guc_tables.h>
#include <utils/timestamp.h>
#include <utils/wait_event.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "monitoring/pg/settings.hpp"
#include "monitoring/pg/spi.hpp"
#include "monitoring/pg/time_limit.hpp"
#include "monitoring/pg/transaction.hpp"
#include "monitoring/pg/version.hpp"
#include "monitoring/shmem/worker_slots.hpp"

namespace monitoring::shmem {

namespace {

/// Ends the current statement, too: it is rolled back like a cancelled one. SQL of others may catch
/// a cancel, and so may what somebody asks to end twice: that process ends on the spot.
void on_sigterm(SIGNAL_ARGS) {
  [[maybe_unused]] const int signal_number = postgres_signal_arg;
  const int saved = errno;
  if (ShutdownRequestPending || pg::ForeignCode::runs()) ProcDiePending = true;
  ShutdownRequestPending = true;
  QueryCancelPending = true;
  InterruptPending = true;
  SetLatch(MyLatch);
  errno = saved;
}

/// What postgresql.conf and the like say, before a database or a role has had its say.
std::map<std::string, std::string>* cluster_settings = nullptr;

/// Whether ALTER DATABASE or ALTER ROLE may have changed it for worse. Ours are meant to be set
/// for one database; TimeZone is what the queries of its rules and collectors go by; those of the
/// transaction end with it.
bool is_restored(const config_generic& setting) {
  const std::string_view name = setting.name;
  if (setting.context != PGC_USERSET && setting.context != PGC_SUSET) return false;
  if (name.rfind("monitoring.", 0) == 0 || name == "TimeZone" || name == "seed") return false;
  if (name == "role" || name == "session_authorization") return false;
  return name.rfind("transaction_", 0) != 0 || name == "transaction_timeout";
}

bool set_for_people(const config_generic& setting) {
  return setting.source >= PGC_S_GLOBAL && setting.source <= PGC_S_DATABASE_USER;
}

/// As a session's own: the server's stay in pg_settings.reset_val, where collectors find them. One
/// that this server does not know, or does not take, is passed over.
void set(const char* name, const char* value) {
  if (GetConfigOption(name, true, false) == nullptr) return;
  set_config_option(name, value, PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SET, true, LOG, false);
}

void restore_cluster_settings() {
  for (const config_generic* setting : pg::all_settings()) {
    if (!is_restored(*setting) || !set_for_people(*setting)) continue;
    const auto before = cluster_settings->find(setting->name);
    if (before == cluster_settings->end()) continue;
    pg::call([&] { set(setting->name, before->second.c_str()); });
  }
}

/// ALTER DATABASE ... SET role or session_authorization makes the process somebody else.
void be_superuser_again() {
  pg::call([] { set("role", "none"); });
  if (GetSessionUserId() == BOOTSTRAP_SUPERUSERID) return;
  pg::Transaction transaction;
  pg::call([] { set("session_authorization", GetUserNameFromId(BOOTSTRAP_SUPERUSERID, false)); });
  transaction.commit();
}

emit_log_hook_type log_hook_before = nullptr;

/// An error that gets as far as the log ends the process: worker_status and health say which.
void keep_last_words(ErrorData* error) {
  if (log_hook_before != nullptr) log_hook_before(error);
  if (error->elevel < ERROR || error->message == nullptr || shutdown_requested()) return;
  shmem::count_error(error->message);
}

/// Applies monitoring.duty_lock_timeout. Where we and a user's session wait for each other we give
/// way: we look for a deadlock at once, should our wait be the one that closes the circle, and give
/// up ours before the session looks for one, which it does after the server's deadlock_timeout.
void limit_lock_waits() {
  const std::string longest = std::to_string(pg::settings().duty_lock_timeout_ms);
  pg::call([&] { SetConfigOption("lock_timeout", longest.c_str(), PGC_SUSET, PGC_S_SESSION); });
}

}  // namespace

void install_signal_handlers() {
  pqsignal(SIGTERM, on_sigterm);
  pqsignal(SIGHUP, SignalHandlerForConfigReload);
}

void unblock_signals() {
  pqsignal(SIGTERM, die);
  BackgroundWorkerUnblockSignals();
}

void connect_to(Oid database) {
  log_hook_before = std::exchange(emit_log_hook, keep_last_words);
  cluster_settings = new std::map<std::string, std::string>;
  for (const config_generic* setting : pg::all_settings()) {
    if (!is_restored(*setting)) continue;
    const char* value = GetConfigOption(setting->name, true, false);
    if (value != nullptr) (*cluster_settings)[setting->name] = value;
  }
  // Whether a database is closed to people is the launcher's to heed: it may want to know whether
  // the extension is there.
  BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, BGWORKER_BYPASS_ALLOWCONN);
}

void use_own_settings(const char* application_name) {
  // First of all: it may have been armed while connecting.
  pg::call([] { set("transaction_timeout", "0"); });
  restore_cluster_settings();
  be_superuser_again();
  pg::call([&] {
    set("search_path", "pg_catalog, pg_temp");
    set("default_transaction_isolation", "read committed");
    set("default_transaction_read_only", "off");
    set("default_transaction_deferrable", "off");
    set("session_replication_role", "origin");
    set("row_security", "on");
    set("statement_timeout", "0");
    set("idle_in_transaction_session_timeout", "0");
    set("idle_session_timeout", "0");
    set("exit_on_error", "off");
    set("array_nulls", "on");
    set("transform_null_equals", "off");
    set("quote_all_identifiers", "off");
    set("extra_float_digits", "1");
    set("default_table_access_method", "heap");
    // People are told that a standby is gone while it is gone: nothing of ours waits for one.
    set("synchronous_commit", "local");
    set("application_name", application_name);
    set("deadlock_timeout", "20ms");
    // Which would log every wait of ours that is longer than that.
    set("log_lock_waits", "off");
  });
  limit_lock_waits();
}

bool shutdown_requested() {
  return ShutdownRequestPending;
}

Waiter::Waiter(std::initializer_list<int> descriptors) {
  set_ = pg::call([&] {
    WaitEventSet* set = pg::create_wait_event_set(2 + static_cast<int>(descriptors.size()));
    AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, nullptr);
    AddWaitEventToSet(set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, nullptr, nullptr);
    for (const int descriptor : descriptors) {
      AddWaitEventToSet(set, WL_SOCKET_READABLE, descriptor, nullptr, nullptr);
    }
    return set;
  });
}

Waiter::~Waiter() {
  FreeWaitEventSet(set_);
}

bool Waiter::wait(Duration longest) const {
  const auto timeout =
      std::chrono::ceil<std::chrono::milliseconds>(std::max(longest, Duration::zero()));
  return pg::call([&] {
    WaitEvent events[4];
    const int count = WaitEventSetWait(set_, timeout.count(), events, 4, PG_WAIT_EXTENSION);
    const bool latch = std::any_of(events, events + count, [](const WaitEvent& event) {
      return (event.events & WL_LATCH_SET) != 0;
    });
    if (latch) ResetLatch(MyLatch);
    return latch;
  });
}

bool serve_interrupts() {
  const bool reload = pg::call([] {
    pgstat_report_stat(false);
    // Nothing runs that a cancel could mean.
    QueryCancelPending = false;
    InterruptPending = true;
    CHECK_FOR_INTERRUPTS();
    return ConfigReloadPending != 0;
  });
  if (!reload) return false;
  ConfigReloadPending = false;
  pg::call([] { ProcessConfigFile(PGC_SIGHUP); });
  limit_lock_waits();
  return true;
}

bool nap(Duration longest) {
  using std::chrono::milliseconds;
  const auto timeout = std::chrono::ceil<milliseconds>(std::max(longest, Duration::zero()));
  const int events = pg::call([&] {
    pgstat_report_stat(false);
    const int happened = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
                                   timeout.count(), PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
    return happened;
  });
  serve_interrupts();
  return (events & WL_LATCH_SET) != 0;
}

void show_activity(const char* words) {
  pg::call([&] { pgstat_report_activity(words != nullptr ? STATE_RUNNING : STATE_IDLE, words); });
}

void log_error(int level, const std::string& what, const pg::PgError& error) {
  const std::string message = what + ": " + error.message();
  const std::string detail = error.detail();
  const std::string context = error.context();
  pg::call([&] {
    ereport(level,
            (errcode(error.sqlstate()), errmsg_internal("%s", message.c_str()),
             detail.empty() ? 0 : errdetail_internal("%s", detail.c_str()),
             context.empty() ? 0 : errcontext_msg("%s", context.c_str()), errhidestmt(true)));
  });
}

Duration back_off(int failures, Duration longest) {
  constexpr int kMaxDoublings = 20;
  const Duration wait = std::chrono::seconds(1LL << std::clamp(failures - 1, 0, kMaxDoublings));
  return std::min(wait, longest);
}

}  // namespace monitoring::shmem
