#pragma once
// Transactions of a background worker, and the one way to survive an error inside a transaction.

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <utils/resowner.h>
}
// clang-format keeps the server's header first.
#include <optional>

namespace monitoring::pg {

/// A transaction with an active snapshot, for background workers. Rolled back unless committed.
/// Its end brings back the memory context in which it began; without that a worker's loop would go
/// on in TopMemoryContext, where nothing is ever freed.
class Transaction {
 public:
  Transaction();
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  void abort();
  MemoryContext outer_;
  bool open_ = true;
};

namespace detail {
/// Begins a subtransaction that remembers where to return to.
class SubTransaction {
 public:
  SubTransaction();
  ~SubTransaction();
  SubTransaction(const SubTransaction&) = delete;
  SubTransaction& operator=(const SubTransaction&) = delete;
  void commit();

 private:
  void restore();
  MemoryContext context_;
  ResourceOwner owner_;
  bool open_ = true;
};
}  // namespace detail

/// Runs body in a subtransaction: commits it, or rolls it back and returns the server's error.
/// A cancel is never swallowed: it is thrown on, as are exceptions of our own, all after the
/// roll-back.
template <class Body>
std::optional<PgError> attempt(Body&& body);

/// Whether the server has stopped the statement because it was asked to: by a user, a timer of ours
/// or the server's statement_timeout. Told by who raised it, for SQL may raise any SQLSTATE. (A
/// shutdown is a FATAL, which nobody catches.)
bool is_cancel(const PgError& error);

template <class Body>
std::optional<PgError> attempt(Body&& body) {
  detail::SubTransaction scope;
  try {
    body();
    scope.commit();
    return std::nullopt;
  } catch (const PgError& error) {
    if (is_cancel(error)) throw;
    return error;
  }
}

}  // namespace monitoring::pg
