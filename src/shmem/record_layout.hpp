#pragma once
// The record ring's shared structures. See RECORDS.md.

#include "monitoring/pg/postgres.hpp"

extern "C" {
#include <port/atomics.h>
#include <storage/condition_variable.h>
#include <storage/lwlock.h>
}
// clang-format keeps the server's headers first.
#include <cstdint>

#include "monitoring/shmem/record_ring.hpp"

namespace monitoring::shmem {

constexpr std::uint32_t kNoBlock = 0xffffffff;
constexpr std::uint32_t kBlockBytes = 64U * 1024;
constexpr int kMaxQueues = 256;

struct RecordBlock {
  std::uint32_t next;  ///< in the queue or in the free list
  std::uint32_t fill;  ///< end of its records; meaningless while it is the tail
  std::uint64_t number;
  std::uint64_t records[(kBlockBytes - 16) / sizeof(std::uint64_t)];

  char* bytes() { return reinterpret_cast<char*>(records); }
};
static_assert(sizeof(RecordBlock) == kBlockBytes);

constexpr std::uint32_t kBlockCapacity = sizeof(RecordBlock::records);

/// Block and offset of the tail in one word.
struct Tail {
  std::uint32_t block;
  std::uint32_t offset;

  static Tail unpack(std::uint64_t word) {
    return {static_cast<std::uint32_t>(word >> 32), static_cast<std::uint32_t>(word)};
  }
  std::uint64_t pack() const { return (std::uint64_t{block} << 32) | offset; }
};
constexpr Tail kEmptyTail = {kNoBlock, 0};

/// The lock of the ring protects everything but the atomics. The tail, which every record moves,
/// has a cache line to itself.
struct alignas(128) RecordQueue {
  pg_atomic_uint64 tail;
  alignas(128) Oid database;  ///< InvalidOid: not in use; else never changes while it exists
  std::uint32_t head;
  std::uint32_t released_offset;  ///< in the head block
  std::uint32_t blocks;
  std::uint64_t next_number;  ///< of the next block that the queue takes
  pg_atomic_uint32 drain_requested;
  pg_atomic_uint64 dropped;
  RecordCounters counters;  ///< all but dropped
  ConditionVariable released;
};

struct RecordRing {
  LWLock* lock;
  std::uint32_t block_count;
  std::uint32_t free_head;
  std::uint32_t free_count;
  RecordQueue queues[kMaxQueues];
  // block_count blocks follow, at the next multiple of 8
};

RecordRing& ring();
RecordBlock& block_at(std::uint32_t index);

/// The queue of a database, made if there is none; nullptr if the table of queues is full.
RecordQueue* queue_of(Oid database);
/// Room for a record of this many bytes; nullptr if the queue may not grow.
char* reserve(RecordQueue& queue, std::uint32_t size);

/// Where the last run's records lie, and its counters. Called by the postmaster only.
void load_records();
void save_records_at_exit();

}  // namespace monitoring::shmem
