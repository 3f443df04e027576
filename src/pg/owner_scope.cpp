#include "monitoring/pg/owner_scope.hpp"

extern "C" {
#include <access/xact.h>
#include <storage/latch.h>
#include <storage/lmgr.h>
#include <storage/lock.h>
#include <utils/guc.h>
#include <utils/timeout.h>
}

// clang-format keeps the server's headers first.
#include <algorithm>

#include "monitoring/pg/transaction.hpp"

namespace monitoring::pg {

namespace {

/// Written by the signal handler.
volatile sig_atomic_t timer_fired = 0;

/// Cancels the running statement as pg_cancel_backend() does; timer_fired tells the two apart.
void on_timer() {
  timer_fired = 1;
  InterruptPending = true;
  QueryCancelPending = true;
  SetLatch(MyLatch);
}

/// The timer of this process, registered at its first use: a process has ten of them to give away.
TimeoutId timer() {
  static bool registered = false;
  static TimeoutId id;
  if (!registered) {
    id = call([] { return RegisterTimeout(USER_TIMEOUT, on_timer); });
    registered = true;
  }
  return id;
}

int milliseconds(Duration duration) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(duration).count();
  return static_cast<int>(std::clamp<std::int64_t>(ms, 1, PG_INT32_MAX));
}

class ArmedTimer {
 public:
  explicit ArmedTimer(Duration timeout) : id_(timer()) {
    enable_timeout_after(id_, milliseconds(timeout));
  }
  ~ArmedTimer() {
    disable_timeout(id_, false);
    // It fired when all was done already: nobody else asked for this cancel.
    if (timer_fired != 0) QueryCancelPending = false;
  }
  ArmedTimer(const ArmedTimer&) = delete;
  ArmedTimer& operator=(const ArmedTimer&) = delete;

 private:
  TimeoutId id_;
};

void set_local(const char* name, const char* value) {
  set_config_option(name, value, PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/// The user, the settings and the read-only state are undone by leave(), or by the abort of the
/// subtransaction that this runs in.
struct Surroundings {
  Oid user;
  int security_context;
  int guc_level;
};

Surroundings become(Oid owner, const OwnerLimits& limits) {
  const std::string lock_timeout = std::to_string(milliseconds(limits.lock_timeout));
  return call([&] {
    Surroundings before{};
    GetUserIdAndSecContext(&before.user, &before.security_context);
    before.guc_level = NewGUCNestLevel();
    set_local("search_path", limits.search_path);
    set_local("lock_timeout", lock_timeout.c_str());
    if (limits.read_only) XactReadOnly = true;
    SetUserIdAndSecContext(owner, before.security_context | SECURITY_RESTRICTED_OPERATION);
    return before;
  });
}

void leave(const Surroundings& before) {
  call([&] {
    AtEOXact_GUC(false, before.guc_level);
    SetUserIdAndSecContext(before.user, before.security_context);
  });
}

void release_session_locks() {
  if (MyBackendType != B_BG_WORKER) return;
  call([] { LockReleaseSession(USER_LOCKMETHOD); });
}

std::optional<OwnerFailure> failure_of(const std::optional<PgError>& error) {
  if (!error) return std::nullopt;
  return OwnerFailure{false, error->sqlstate(), error->message()};
}

}  // namespace

std::optional<OwnerFailure> run_as_owner(Oid owner, const OwnerLimits& limits,
                                         const std::function<void()>& body) {
  std::optional<OwnerFailure> failure;
  timer_fired = 0;
  try {
    failure = failure_of(attempt([&] {
      const Surroundings before = become(owner, limits);
      {
        ArmedTimer armed(limits.timeout);
        body();
      }
      leave(before);
    }));
  } catch (const PgError& error) {
    if (timer_fired == 0 || error.sqlstate() != ERRCODE_QUERY_CANCELED) throw;
    failure =
        OwnerFailure{true, ERRCODE_QUERY_CANCELED,
                     "timed out after " + std::to_string(milliseconds(limits.timeout)) + " ms"};
  }
  release_session_locks();
  return failure;
}

}  // namespace monitoring::pg
