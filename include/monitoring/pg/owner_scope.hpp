#pragma once
// SQL that users supplied (queues, rules, collectors), run as the user who answers for it.
//
// Inside run_as_owner
//   - the effective user is the owner, in a security-restricted operation: no SET ROLE, no
//     temporary objects, no deferred work that would run later as somebody else;
//   - the transaction is read-only unless `read_only` is off, and cannot be made read-write again,
//     because all runs in a subtransaction that began as a read-only one;
//   - search_path is pg_catalog alone, unless `search_path` says otherwise;
//   - a time limit ends it (time_limit.hpp; statement_timeout does nothing in a background worker),
//     and so does a lock that is not free in time;
//   - a shutdown ends the process; a cancel is passed on, but in a process of ours, where it means
//     what runs here (cancels_mean_foreign_code).
//
// What one owner's SQL leaves in the session is not the next one's: README.md of src/pg says what
// is impossible, what is undone here, and what remains. A read-only run is always rolled back.

#include "monitoring/pg/guard.hpp"
// clang-format keeps the server's header first.
#include <functional>
#include <optional>
#include <string>

#include "monitoring/base/clock.hpp"

namespace monitoring::pg {

struct OwnerLimits {
  Duration timeout;
  Duration lock_timeout = std::chrono::seconds(1);
  const char* search_path = "pg_catalog, pg_temp";
  bool read_only = true;
  /// Whose SQL it is, for what has to be said of it; has to live as long.
  const char* what = "";
};

/// Why user-supplied SQL did not finish.
struct OwnerFailure {
  bool timed_out;
  int sqlstate;
  std::string message;
};

/// Runs body as `owner` (a role's OID) within the limits. Runs nest: the inner one is over when the
/// outer one's time is. Nothing: it finished.
std::optional<OwnerFailure> run_as_owner(Oid owner, const OwnerLimits& limits,
                                         const std::function<void()>& body);

/// The same limit for code of ours that works on what users gave: no other user, nothing rolled
/// back but what failed. `body` asks an InterruptToken now and then.
std::optional<OwnerFailure> run_within(Duration timeout, const char* what,
                                       const std::function<void()>& body);

}  // namespace monitoring::pg
