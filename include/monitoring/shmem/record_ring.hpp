#pragma once
// The record ring: measurements on their way from record_metric() to the table, in shared memory.
// What it is made of, and why it never blocks anybody, is in src/shmem/RECORDS.md.
//
// Nothing here raises an error, allocates or waits, save where it says so.

#include "monitoring/pg/postgres.hpp"
// clang-format keeps the server's headers first.
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "monitoring/metrics/record.hpp"

namespace monitoring::shmem {

/// The longest record that the ring takes: name and tags of about 64 kB together.
extern const std::size_t kLongestRecord;

/// Of one database, since the last initdb; a restart keeps them.
struct RecordCounters {
  std::uint64_t drained;   ///< written to the table
  std::uint64_t dropped;   ///< refused by a full ring, or removed with their database
  std::uint64_t rejected;  ///< refused by a constraint or trigger of the table
  std::uint64_t lost;      ///< were in the ring when the server crashed
};
static_assert(std::is_trivially_copyable_v<RecordCounters>);

/// A place in the sequence of records of one database. Later records have larger places.
struct RecordPosition {
  std::uint64_t block;  ///< number of the block, counted from the queue's first
  std::uint32_t offset;

  bool operator<(const RecordPosition& other) const {
    return block != other.block ? block < other.block : offset < other.offset;
  }
};

/// The fate of a record.
enum class RecordOutcome { recorded, full };

/// False without shared_preload_libraries; nothing else here may be called then.
bool ring_available();

/// For the hooks of the postmaster's start. create_ring() loads what the last run left.
void request_ring();
void create_ring();

/// Puts a record of at most kLongestRecord bytes behind all others of this database.
RecordOutcome record(const metrics::Record& record);
/// Counts a record that the caller has given up on.
void count_dropped();

/// The records of this database that wait, as they were when it was made. Only the holder of the
/// drain lock may read them (src/measurements/records.cpp): others may free them meanwhile.
class WaitingRecords {
 public:
  /// Everything behind `from`, or behind what was released if that is later.
  explicit WaitingRecords(RecordPosition from);

  /// The next record, or false at the end or where a record is not yet published.
  bool next(metrics::Record* record);
  /// Behind the last record that next() gave.
  RecordPosition position() const { return position_; }

 private:
  struct Piece {
    std::uint64_t block;
    const char* bytes;
    std::uint32_t begin;
    std::uint32_t end;
  };
  std::vector<Piece> pieces_;
  std::size_t piece_ = 0;
  RecordPosition position_;
};

/// Gives the room up to this place back and counts. For the callback of a commit.
void release_records(RecordPosition until, std::uint64_t drained, std::uint64_t rejected);

/// Where the next record of this database would go.
RecordPosition end_of_records();
/// Whether everything before this place was released.
bool released(RecordPosition place);

/// Asks the worker of this database to drain, and says whether that was asked since the last time.
void request_drain();
bool take_drain_request();
/// Sleeps until something was released, at most this long. It may raise an error (query cancel):
/// call it inside pg::call. End with stop_waiting().
void wait_for_release(long timeout_ms);
void stop_waiting();

struct RingStatus {
  RecordCounters counters;
  std::uint64_t waiting_bytes;  ///< of this database
  std::uint64_t used_bytes;     ///< of all databases, whole blocks
  std::uint64_t size_bytes;
};
/// InvalidOid: of the ring alone.
RingStatus ring_status(Oid database = MyDatabaseId);

/// The databases that have records, and the removal of those of a database that is gone.
std::vector<Oid> databases_with_records();
void discard_records(Oid database);

}  // namespace monitoring::shmem
