#pragma once
// SQL that users supplied (queues, rules, collectors), run as the user who answers for it.
//
// Inside run_as_owner
//   - the effective user is the owner, in a security-restricted operation: no SET ROLE, no
//     temporary objects, no deferred work that would run later as somebody else;
//   - the transaction is read-only unless `read_only` is off, and cannot be made read-write again,
//     because all runs in a subtransaction that began as a read-only one;
//   - search_path is pg_catalog alone, unless `search_path` says otherwise;
//   - a timer of ours ends it (statement_timeout does nothing in a background worker), and so does
//     a lock that is not free in time; a user's cancel and a shutdown are passed on;
//   - what was set is undone afterwards, and what was locked is held until the transaction ends.
//     In a background worker session-level advisory locks are released too; in a user's session
//     they cannot be told from the user's own.

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
};

/// Why user-supplied SQL did not finish.
struct OwnerFailure {
  bool timed_out;
  int sqlstate;
  std::string message;
};

/// Runs body as `owner` (a role's OID) within the limits; runs do not nest. Nothing: it finished.
std::optional<OwnerFailure> run_as_owner(Oid owner, const OwnerLimits& limits,
                                         const std::function<void()>& body);

}  // namespace monitoring::pg
