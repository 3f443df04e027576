#pragma once
// Reads measurements straight from the heap blocks of a partition.

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <storage/bufmgr.h>
#include <utils/rel.h>
#include <utils/snapshot.h>
}
// clang-format keeps the server's headers first.
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "monitoring/measurements/progress.hpp"

namespace monitoring::measurements {

/// One measurement. Pointers lead into the pinned page: valid during the visit only.
struct RawRow {
  struct varlena* metric_name;  // possibly compressed or out of line
  double metric_value;
  struct varlena* tags;    // likewise; nullptr where NULL
  std::int64_t timestamp;  // Postgres timestamptz, infinities included
};

/// The table pipeline_metrics; inside pg::call.
Oid measurements_table();

/// Its leaf partitions that exist now, the default one first. Each is locked against being dropped
/// until the transaction ends.
std::vector<Oid> measurement_partitions();

/// An open partition: AccessShareLock is held until the end of the transaction.
class Partition {
 public:
  /// Not open() if the partition has been dropped meanwhile. Throws 0A000 for one that is no heap
  /// table.
  explicit Partition(Oid oid);
  ~Partition();
  Partition(const Partition&) = delete;
  Partition& operator=(const Partition&) = delete;

  bool open() const { return table_ != nullptr; }
  Relation table() const { return table_; }
  /// Which table in which file.
  std::uint64_t file_id() const;
  /// Where the columns are: a table attached by hand may have them in another order.
  struct Columns {
    int metric_name, metric_value, tags, timestamp;  // from 0
    int last;                                        // of these
    bool are_plain;  // up to the last one each is a varlena or of fixed length
  };
  const Columns& columns() const { return columns_; }
  static constexpr int kMaxColumns = 32;
  /// What finding a column takes of its pg_attribute.
  struct Shape {
    std::int16_t length;       // -1: varlena
    std::uint16_t align_mask;  // alignment - 1
  };
  const Shape* shapes() const { return shapes_; }

  /// See changes.hpp. A partition without a map counts as changed everywhere.
  std::vector<BlockNumber> take_changed(std::uint64_t committed, std::uint64_t pass) const;
  std::vector<BlockNumber> peek_changed(std::uint64_t committed) const;
  std::vector<BlockNumber> all_blocks() const;
  void mark(BlockNumber block) const;
  bool has_map() const { return map_ != nullptr; }

 private:
  void fit_to_heap(std::vector<BlockNumber>* blocks) const;

  Relation table_ = nullptr;
  Relation map_ = nullptr;
  Columns columns_{};
  Shape shapes_[kMaxColumns];
  int exceptions_before_;
};

/// Scans blocks of a partition under one snapshot.
class RawScan {
 public:
  /// seen: rows that it has seen are left out; nullptr visits every visible row. own: gets the
  /// places of all rows in the scanned blocks that the current transaction inserted before.
  RawScan(const Partition& partition, Snapshot snapshot, const Progress* seen,
          OwnRows* own = nullptr);
  ~RawScan();
  RawScan(const RawScan&) = delete;
  RawScan& operator=(const RawScan&) = delete;

  /// Calls visit(RawRow* rows, int count) for the rows of the block, if there are any; visit may
  /// raise server errors, and keeps no C++ object on its stack while it does. Returns whether the
  /// block holds a row whose insert this snapshot does not show yet.
  template <class Visit>
  bool page(BlockNumber block, Visit&& visit) {
    return read_block(
        block,
        [](void* context, RawRow* rows, int count) {
          (*static_cast<std::remove_reference_t<Visit>*>(context))(rows, count);
        },
        const_cast<void*>(static_cast<const void*>(&visit)));
  }
  /// The same row by row: visit(const RawRow&).
  template <class Visit>
  bool block(BlockNumber block, Visit&& visit) {
    return page(block, [&visit](const RawRow* rows, int count) {
      for (int i = 0; i < count; ++i) visit(rows[i]);
    });
  }

 private:
  using PageVisitor = void (*)(void* context, RawRow* rows, int count);
  enum class Verdict { skip, visit, unsettled };
  /// What the verdict on a row depends on, where no command id plays a part.
  struct Marks {
    TransactionId inserter = InvalidTransactionId;
    std::uint16_t infomask = 0;

    bool operator==(const Marks& other) const {
      return inserter == other.inserter && infomask == other.infomask;
    }
  };

  bool read_block(BlockNumber block, PageVisitor visit, void* context);
  static Marks marks_of(HeapTupleHeader header);
  Verdict judge(HeapTuple tuple, Buffer buffer);
  Verdict judge_anew(HeapTuple tuple, Buffer buffer) const;
  bool is_own(HeapTupleHeader header) const;
  void read(HeapTupleHeader header, std::uint32_t length, RawRow* row) const;
  void read_whole(HeapTupleHeader header, std::uint32_t length, RawRow* row) const;

  const Partition& partition_;
  Snapshot snapshot_;
  const Progress* seen_;
  OwnRows* own_;
  BufferAccessStrategy strategy_;
  BlockNumber size_;
  bool is_serializable_ = false;
  Marks visited_;
};

}  // namespace monitoring::measurements
