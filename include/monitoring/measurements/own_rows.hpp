#pragma once
// Where the rows lie that a pass saw of its own transaction.

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <storage/block.h>
#include <storage/itemptr.h>
#include <storage/off.h>
}
// clang-format keeps the server's headers first.
#include <vector>

#include "monitoring/pg/spi.hpp"

namespace monitoring::measurements {

/// Versions of rows by partition, block and offset. All that a transaction has inserted has one
/// transaction id, and an UPDATE, DELETE or freezing writes over the command id; the place stays,
/// until a rewrite gives the partition another file. No other version comes to lie there while this
/// is asked: a version that a pass saw of its own transaction is not vacuumed before that ends, and
/// what is written there afterwards has another transaction id.
class OwnRows {
 public:
  /// Of one block in the order of their offsets.
  void add(Oid partition, BlockNumber block, OffsetNumber offset);
  void add(const OwnRows& others);
  void clear() { ranges_.clear(); }
  bool contains(Oid partition, const ItemPointerData& place) const;

  /// As a bytea of this machine's byte order: the table that holds it is not dumped.
  pg::Param param() const;
  static OwnRows of(Datum bytes);

 private:
  /// Offsets [first, last] of a block.
  struct Range {
    Oid partition;
    BlockNumber block;
    OffsetNumber first, last;

    bool is_before(const Range& other) const;
    bool joins(const Range& next) const;
  };

  std::vector<Range> ranges_;  // sorted, apart, after add(others)
};

}  // namespace monitoring::measurements
