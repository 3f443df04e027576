#pragma once
// Which rows the roll-up passes have seen.
//
// A pass sees what its snapshot shows. What it cannot see yet is known by transaction id:
// everything from next_xid on, and the ids that were in progress then (pending; subtransactions
// included). So a row is new if its inserting transaction is one of these, however long that was
// open, whatever its created_at says, by whatever way it came in. A pass inside of a transaction
// that itself wrote measurements sees those of earlier commands: of such a transaction (own_xids)
// the places of the rows that were seen are kept (own_rows).

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <access/htup.h>
#include <utils/snapshot.h>
}
// clang-format keeps the server's headers first.
#include <cstdint>
#include <optional>
#include <vector>

#include "monitoring/measurements/own_rows.hpp"
#include "monitoring/pg/spi.hpp"

namespace monitoring::measurements {

/// A transaction id in 64 bits. Under pg::call; of one that is not of the future.
std::uint64_t full_transaction_id(TransactionId xid);

/// Transaction ids here are full ones: 64 bits, they never wrap around.
class Progress {
 public:
  /// The state as the active snapshot shows it. Throws 55000 where there is none (a restored copy).
  static Progress read(pg::Spi& spi);
  /// The newest state, for triggers: it needs no right on the table, and no SPI.
  static std::optional<Progress> read_directly();
  /// The newest state, locked until the end of the transaction: passes run one after the other.
  static Progress lock(pg::Spi& spi);

  /// The state after a pass over everything visible to this snapshot; rows of its own transaction
  /// are to be added.
  Progress after(Snapshot snapshot) const;
  /// The state that takes versions of this transaction and of those before it as seen.
  Progress up_to(TransactionId xid) const;
  /// The state in which everything visible to this snapshot has been seen: for a new baseline.
  static Progress baseline(Snapshot snapshot);

  void add_own_rows(const OwnRows& rows) { own_rows_.add(rows); }
  void save(pg::Spi& spi) const;

  /// The file of a partition (Partition::file_id) at the last pass: rows that lie in another one
  /// now have not the transaction ids that they had.
  enum class File { same, other, unknown };
  File file_of(std::uint64_t file_id) const;
  void remember_file(std::uint64_t file_id);

  std::uint64_t pass() const { return pass_; }

  /// Whether a pass has seen this version. Only for versions whose inserter is known to be
  /// committed or is the current transaction. Never raises an error.
  bool has_seen(HeapTuple tuple) const;
  /// Whether a pass has seen all that this transaction inserted.
  bool has_seen_all_of(std::uint64_t xid) const;
  /// This holds for ids below the first, other than the second: an array of bigint.
  std::uint64_t next_xid() const { return next_xid_; }
  pg::Param not_seen_before_next() const;
  /// Whether has_seen() answers the same for every version that this one's transaction inserted.
  bool goes_by_transaction(HeapTupleHeader tuple) const;

 private:
  /// A row of the table: what its columns hold.
  struct Stored {
    std::int64_t pass, next_xid;
    Datum pending_xids, own_xids, own_rows, partition_files;
  };
  static Progress from_row(const pg::Rows& rows);
  static Progress from(const Stored& stored);
  static bool read_directly(Stored* stored);
  std::uint64_t widen(TransactionId xid) const;

  std::uint64_t pass_ = 0;
  std::uint64_t next_xid_ = 0;
  std::vector<std::uint64_t> pending_;  // sorted
  std::vector<std::uint64_t> own_;      // sorted
  OwnRows own_rows_;
  std::vector<std::uint64_t> files_;  // sorted
  /// The server's next transaction id, for widening: taken once, when this object was made.
  std::uint64_t server_next_xid_ = 0;
};

}  // namespace monitoring::measurements
