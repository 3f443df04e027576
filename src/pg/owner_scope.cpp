#include "monitoring/pg/owner_scope.hpp"

extern "C" {
#include <access/xact.h>
#include <postmaster/interrupt.h>
#include <storage/lmgr.h>
#include <storage/lock.h>
#include <utils/guc.h>
}

// clang-format keeps the server's headers first.
#include <algorithm>

#include "monitoring/pg/time_limit.hpp"
#include "monitoring/pg/transaction.hpp"
#include "pg/session_state.hpp"

namespace monitoring::pg {

namespace {

int milliseconds(Duration duration) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(duration).count();
  return static_cast<int>(std::clamp<std::int64_t>(ms, 1, PG_INT32_MAX));
}

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

/// Names what did not end where the process is ended for it.
void explain_the_end(void* what) {
  if (!ends_for_overrun()) return;
  errcontext("%s, which went on although it was canceled", static_cast<const char*>(what));
}

class ErrorContext {
 public:
  explicit ErrorContext(const char* what) {
    callback_.callback = explain_the_end;
    callback_.arg = const_cast<char*>(what);
    callback_.previous = error_context_stack;
    error_context_stack = &callback_;
  }
  ~ErrorContext() { error_context_stack = callback_.previous; }
  ErrorContext(const ErrorContext&) = delete;
  ErrorContext& operator=(const ErrorContext&) = delete;

 private:
  ErrorContextCallback callback_{};
};

OwnerFailure timed_out(Duration timeout) {
  return {true, ERRCODE_QUERY_CANCELED,
          "timed out after " + std::to_string(milliseconds(timeout)) + " ms"};
}

/// What is no failure of this run is thrown on: the end of a limit around it, a cancel that means
/// more than this run.
OwnerFailure failure_of(const PgError& error, const TimeLimit& limit, Duration timeout) {
  if (limit.outer_expired()) throw error;
  if (limit.expired()) return timed_out(timeout);
  const bool is_ours = do_cancels_mean_foreign_code() && !ShutdownRequestPending;
  if (is_cancel(error) && !is_ours) throw error;
  return {false, error.sqlstate(), error.message()};
}

/// A cancel and a shutdown that came before are not this run's.
void let_earlier_interrupts_through() {
  call([] { CHECK_FOR_INTERRUPTS(); });
}

/// Rolled back whatever came of it: cursors, transaction-level locks and NOTIFYs go with it.
void run_and_roll_back(Oid owner, const OwnerLimits& limits, const std::function<void()>& body) {
  detail::SubTransaction scope;
  become(owner, limits);
  body();
}

void run_and_keep(Oid owner, const OwnerLimits& limits, const std::function<void()>& body) {
  detail::SubTransaction scope;
  const Surroundings before = become(owner, limits);
  body();
  leave(before);
  scope.commit();
}

template <class Body>
std::optional<OwnerFailure> limited(Duration timeout, const char* what, Body&& body) {
  const TimeLimit limit(timeout, what);
  const ErrorContext context(what);
  try {
    body();
  } catch (const PgError& error) {
    return failure_of(error, limit, timeout);
  }
  // It has caught our cancel, and has come to an end all the same.
  if (limit.expired() && !limit.outer_expired()) return timed_out(timeout);
  return std::nullopt;
}

}  // namespace

std::optional<OwnerFailure> run_as_owner(Oid owner, const OwnerLimits& limits,
                                         const std::function<void()>& body) {
  prepare_session_for(owner);
  const ForeignCode foreign;
  let_earlier_interrupts_through();
  try {
    const auto failure = limited(limits.timeout, limits.what, [&] {
      if (limits.read_only) {
        run_and_roll_back(owner, limits, body);
      } else {
        run_and_keep(owner, limits, body);
      }
    });
    clean_session();
    return failure;
  } catch (...) {
    clean_session();
    throw;
  }
}

std::optional<OwnerFailure> run_within(Duration timeout, const char* what,
                                       const std::function<void()>& body) {
  return limited(timeout, what, [&] {
    detail::SubTransaction scope;
    body();
    scope.commit();
  });
}

}  // namespace monitoring::pg
