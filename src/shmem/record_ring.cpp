#include "monitoring/shmem/record_ring.hpp"

extern "C" {
#include <storage/ipc.h>
#include <storage/shmem.h>
#include <utils/wait_event.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <cstring>

#include "monitoring/pg/settings.hpp"
#include "monitoring/shmem/worker_slots.hpp"
#include "shmem/record_layout.hpp"

namespace monitoring::shmem {

namespace {

constexpr const char* kName = "monitoring records";

/// A queue may grow while it has fewer than this many times the free blocks.
constexpr std::uint32_t kShare = 3;
/// A queue with this part of all blocks is drained before its time.
constexpr std::uint32_t kHurryPart = 8;

RecordRing* shared = nullptr;
char* first_block = nullptr;
/// This backend's queue. A queue keeps its database for as long as that has a connection.
RecordQueue* own_queue = nullptr;

std::uint32_t wanted_blocks() {
  return static_cast<std::uint32_t>(pg::settings().record_ring_size_kb) / (kBlockBytes / 1024);
}

Size ring_bytes() {
  return MAXALIGN(sizeof(RecordRing)) + Size{wanted_blocks()} * kBlockBytes;
}

/// A leaf section of the ring's lock: plain loads and stores only.
template <class Section>
auto locked(LWLockMode mode, Section&& section) {
  LWLockAcquire(ring().lock, mode);
  if constexpr (std::is_void_v<decltype(section())>) {
    section();
    LWLockRelease(ring().lock);
  } else {
    auto value = section();
    LWLockRelease(ring().lock);
    return value;
  }
}

Tail tail_of(RecordQueue& queue) {
  return Tail::unpack(pg_atomic_read_u64(&queue.tail));
}

bool move_tail(RecordQueue& queue, Tail from, Tail to) {
  std::uint64_t expected = from.pack();
  return pg_atomic_compare_exchange_u64(&queue.tail, &expected, to.pack());
}

RecordQueue* find_queue(Oid database) {
  const auto end = std::end(ring().queues);
  const auto found = std::find_if(std::begin(ring().queues), end, [&](const RecordQueue& queue) {
    return queue.database == database;
  });
  return found == end ? nullptr : found;
}

RecordQueue* own() {
  if (own_queue == nullptr) own_queue = queue_of(MyDatabaseId);
  return own_queue;
}

/// Takes a block and makes it the tail. Under the lock. False if the queue may not grow.
bool take_block(RecordQueue& queue) {
  RecordRing& r = ring();
  if (r.free_count == 0 || queue.blocks >= kShare * r.free_count) return false;
  const std::uint32_t index = r.free_head;
  RecordBlock& block = block_at(index);
  r.free_head = block.next;
  r.free_count -= 1;
  block.next = kNoBlock;
  block.number = queue.next_number++;
  queue.blocks += 1;

  // Writers without the lock go on using the rest of the old tail until this succeeds.
  Tail old = tail_of(queue);
  while (!move_tail(queue, old, {index, 0})) old = tail_of(queue);
  if (old.block == kNoBlock) {
    queue.head = index;
    queue.released_offset = 0;
  } else {
    block_at(old.block).fill = old.offset;
    block_at(old.block).next = index;
  }
  return true;
}

/// True if there is a new tail, made by us or by somebody else since `seen`.
bool grow(RecordQueue& queue, Tail seen) {
  bool hurry = false;
  const bool grown = locked(LW_EXCLUSIVE, [&] {
    const Tail now = tail_of(queue);
    if (now.block != seen.block) return true;
    const bool taken = take_block(queue);
    hurry = queue.blocks * kHurryPart >= ring().block_count;
    return taken;
  });
  if (hurry && IsUnderPostmaster && pg_atomic_exchange_u32(&queue.drain_requested, 1) == 0) {
    wake(Role::worker, queue.database);
  }
  return grown;
}

/// Detaches the blocks before this place and returns them as a chain. Under the lock.
std::uint32_t detach_released(RecordQueue& queue, RecordPosition until) {
  std::uint32_t chain = kNoBlock;
  while (queue.head != kNoBlock) {
    const std::uint32_t index = queue.head;
    RecordBlock& block = block_at(index);
    if (block.number > until.block) break;
    if (block.number == until.block) {
      queue.released_offset = until.offset;
      const Tail tail = tail_of(queue);
      const bool is_tail = tail.block == index;
      if (until.offset < (is_tail ? tail.offset : block.fill)) break;
      if (is_tail && !move_tail(queue, tail, kEmptyTail)) break;
      if (is_tail) block.fill = tail.offset;
    }
    queue.head = block.next;
    queue.released_offset = 0;
    queue.blocks -= 1;
    block.next = chain;
    chain = index;
  }
  return chain;
}

/// Zeroes the blocks of a chain that nobody else knows, then gives them to the free list.
void free_chain(std::uint32_t chain) {
  if (chain == kNoBlock) return;
  std::uint32_t count = 0;
  std::uint32_t last = chain;
  for (std::uint32_t index = chain; index != kNoBlock; index = block_at(index).next) {
    RecordBlock& block = block_at(index);
    std::memset(block.bytes(), 0, block.fill);
    last = index;
    ++count;
  }
  locked(LW_EXCLUSIVE, [&] {
    block_at(last).next = ring().free_head;
    ring().free_head = chain;
    ring().free_count += count;
  });
}

/// Under the lock.
RecordPosition released_place(const RecordQueue& queue) {
  if (queue.head == kNoBlock) return {queue.next_number, 0};
  return {block_at(queue.head).number, queue.released_offset};
}

void initialise(RecordRing& r) {
  std::memset(static_cast<void*>(&r), 0, ring_bytes());
  r.lock = &GetNamedLWLockTranche(kName)->lock;
  r.block_count = wanted_blocks();
  r.free_count = r.block_count;
  for (std::uint32_t i = 0; i < r.block_count; ++i) {
    block_at(i).next = i + 1 < r.block_count ? i + 1 : kNoBlock;
  }
  for (RecordQueue& queue : r.queues) {
    pg_atomic_init_u64(&queue.tail, kEmptyTail.pack());
    pg_atomic_init_u32(&queue.drain_requested, 0);
    pg_atomic_init_u64(&queue.dropped, 0);
    queue.head = kNoBlock;
    ConditionVariableInit(&queue.released);
  }
}

void attach() {
  bool found = false;
  shared = static_cast<RecordRing*>(ShmemInitStruct(kName, ring_bytes(), &found));
  first_block = reinterpret_cast<char*>(shared) + MAXALIGN(sizeof(RecordRing));
  if (!found) initialise(*shared);
}

}  // namespace

const std::size_t kLongestRecord = kBlockCapacity;

/// Finds the segment, also from monitoring_net.so, which has its own copy of these variables.
RecordRing& ring() {
  if (shared == nullptr) attach();
  return *shared;
}

RecordBlock& block_at(std::uint32_t index) {
  return *reinterpret_cast<RecordBlock*>(first_block + Size{index} * kBlockBytes);
}

bool ring_available() {
  return pg::settings().preloaded;
}

void request_ring() {
  RequestAddinShmemSpace(ring_bytes());
  RequestNamedLWLockTranche(kName, 1);
}

void create_ring() {
  LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
  attach();
  LWLockRelease(AddinShmemInitLock);
  if (IsUnderPostmaster) return;
  load_records();
  save_records_at_exit();
}

RecordQueue* queue_of(Oid database) {
  return locked(LW_EXCLUSIVE, [&]() -> RecordQueue* {
    RecordQueue* queue = find_queue(database);
    if (queue != nullptr) return queue;
    queue = find_queue(InvalidOid);
    if (queue != nullptr) queue->database = database;
    return queue;
  });
}

char* reserve(RecordQueue& queue, std::uint32_t size) {
  for (;;) {
    const Tail tail = tail_of(queue);
    if (tail.block == kNoBlock || tail.offset + size > kBlockCapacity) {
      if (!grow(queue, tail)) return nullptr;
      continue;
    }
    if (move_tail(queue, tail, {tail.block, tail.offset + size})) {
      return block_at(tail.block).bytes() + tail.offset;
    }
  }
}

RecordOutcome record(const metrics::Record& record) {
  RecordQueue* queue = own();
  if (queue == nullptr) return RecordOutcome::full;
  const auto size = static_cast<std::uint32_t>(metrics::record_size(record));
  char* const room = reserve(*queue, size);
  if (room == nullptr) return RecordOutcome::full;
  metrics::write_record_body(record, room);
  __atomic_store_n(reinterpret_cast<std::uint32_t*>(room), size, __ATOMIC_RELEASE);
  return RecordOutcome::recorded;
}

void count_dropped() {
  // Without a queue of its own the database has no counter either: 256 others have one.
  if (own() != nullptr) pg_atomic_fetch_add_u64(&own()->dropped, 1);
}

WaitingRecords::WaitingRecords(RecordPosition from) : position_(from) {
  RecordQueue* queue = own();
  if (queue == nullptr) return;
  pieces_.reserve(ring().block_count);  // nothing is allocated under the lock
  locked(LW_SHARED, [&] {
    position_ = std::max(from, released_place(*queue));
    const Tail tail = tail_of(*queue);
    for (std::uint32_t index = queue->head; index != kNoBlock; index = block_at(index).next) {
      RecordBlock& block = block_at(index);
      if (block.number < position_.block) continue;
      const std::uint32_t begin = block.number == position_.block ? position_.offset : 0;
      const std::uint32_t end = index == tail.block ? tail.offset : block.fill;
      pieces_.push_back({block.number, block.bytes(), begin, end});
    }
  });
}

bool WaitingRecords::next(metrics::Record* record) {
  while (piece_ < pieces_.size()) {
    Piece& piece = pieces_[piece_];
    if (piece.begin == piece.end) {
      ++piece_;
      continue;
    }
    const char* const bytes = piece.bytes + piece.begin;
    const std::uint32_t length =
        __atomic_load_n(reinterpret_cast<const std::uint32_t*>(bytes), __ATOMIC_ACQUIRE);
    if (length == 0) return false;
    const auto found = metrics::read_record({bytes, piece.end - piece.begin});
    if (!found) return false;
    *record = *found;
    piece.begin += length;
    position_ = {piece.block, piece.begin};
    return true;
  }
  return false;
}

void release_records(RecordPosition until, std::uint64_t drained, std::uint64_t rejected) {
  RecordQueue& queue = *own();
  const std::uint32_t chain = locked(LW_EXCLUSIVE, [&] {
    queue.counters.drained += drained;
    queue.counters.rejected += rejected;
    return detach_released(queue, until);
  });
  free_chain(chain);
  ConditionVariableBroadcast(&queue.released);
}

RecordPosition end_of_records() {
  RecordQueue* queue = own();
  if (queue == nullptr) return {0, 0};
  return locked(LW_SHARED, [&]() -> RecordPosition {
    const Tail tail = tail_of(*queue);
    if (tail.block == kNoBlock) return {queue->next_number, 0};
    return {block_at(tail.block).number, tail.offset};
  });
}

bool released(RecordPosition place) {
  RecordQueue* queue = own();
  if (queue == nullptr) return true;
  return locked(LW_SHARED, [&] { return !(released_place(*queue) < place); });
}

void request_drain() {
  if (own() == nullptr) return;
  pg_atomic_write_u32(&own()->drain_requested, 1);
  wake(Role::worker, MyDatabaseId);
}

bool take_drain_request() {
  RecordQueue* queue = own();
  return queue != nullptr && pg_atomic_exchange_u32(&queue->drain_requested, 0) != 0;
}

void wait_for_release(long timeout_ms) {
  ConditionVariableTimedSleep(&own()->released, timeout_ms, PG_WAIT_EXTENSION);
}

void stop_waiting() {
  ConditionVariableCancelSleep();
}

RingStatus ring_status(Oid database) {
  RecordQueue* queue = nullptr;
  RingStatus status = {};
  status.size_bytes = std::uint64_t{ring().block_count} * kBlockBytes;
  locked(LW_SHARED, [&] {
    status.used_bytes = std::uint64_t{ring().block_count - ring().free_count} * kBlockBytes;
    if (OidIsValid(database)) queue = find_queue(database);
    if (queue == nullptr) return;
    status.counters = queue->counters;
    const Tail tail = tail_of(*queue);
    for (std::uint32_t index = queue->head; index != kNoBlock; index = block_at(index).next) {
      status.waiting_bytes += index == tail.block ? tail.offset : block_at(index).fill;
    }
    status.waiting_bytes -= queue->head == kNoBlock ? 0 : queue->released_offset;
  });
  if (queue != nullptr) status.counters.dropped += pg_atomic_read_u64(&queue->dropped);
  return status;
}

std::vector<Oid> databases_with_records() {
  std::vector<Oid> databases;
  databases.reserve(kMaxQueues);  // nothing is allocated under the lock
  locked(LW_SHARED, [&] {
    for (const RecordQueue& queue : ring().queues) {
      if (OidIsValid(queue.database)) databases.push_back(queue.database);
    }
  });
  return databases;
}

void discard_records(Oid database) {
  const std::uint32_t chain = locked(LW_EXCLUSIVE, [&] {
    RecordQueue* queue = find_queue(database);
    if (queue == nullptr) return kNoBlock;
    const Tail tail = tail_of(*queue);
    RecordPosition end = {queue->next_number, 0};
    if (tail.block != kNoBlock) end = {block_at(tail.block).number, tail.offset};
    const std::uint32_t blocks = detach_released(*queue, end);
    queue->database = InvalidOid;
    queue->counters = {};
    pg_atomic_write_u64(&queue->dropped, 0);
    pg_atomic_write_u32(&queue->drain_requested, 0);
    return blocks;
  });
  free_chain(chain);
}

}  // namespace monitoring::shmem
