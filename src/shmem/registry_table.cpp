// The registry's memory: cells, given out by a bitmap, and the hash table over the nodes in them
// (open addressing, linear probing, erased by shifting back).

#include <algorithm>

#include "monitoring/pg/settings.hpp"
#include "shmem/registry_layout.hpp"

extern "C" {
#include <storage/shmem.h>
}

namespace monitoring::shmem {

namespace {

constexpr const char* kName = "monitoring registry";
constexpr std::uint32_t kWordBits = 64;

Registry* shared = nullptr;

/// What the budget gives: as many cells as fit with their bits and their slots.
struct Plan {
  std::uint32_t cells;
  std::uint32_t slots;
  Size bitmap_at;
  Size slots_at;
  Size cells_at;
  Size bytes;
};

Size on_cache_line(Size bytes) {
  return TYPEALIGN(kCellBytes, bytes);
}

std::uint32_t power_of_two_from(std::uint32_t least) {
  std::uint32_t power = 1;
  while (power < least) power *= 2;
  return power;
}

Plan plan() {
  Plan p;
  p.cells = static_cast<std::uint32_t>(Size{1024} * pg::settings().registry_size_kb / kCellBytes);
  // A node takes two cells at least, but for the smallest: the table is never full.
  p.slots = power_of_two_from(p.cells + 1);
  p.bitmap_at = on_cache_line(sizeof(Registry));
  p.slots_at = p.bitmap_at + on_cache_line((p.cells / kWordBits + 1) * sizeof(std::uint64_t));
  p.cells_at = p.slots_at + on_cache_line(p.slots * sizeof(std::uint32_t));
  // Shared memory is aligned to a cache line only from some size on: room to move.
  p.bytes = p.cells_at + Size{p.cells} * kCellBytes + kCellBytes;
  return p;
}

struct Place {
  std::uint64_t* bitmap;
  std::uint32_t* slots;
  char* cells;
};
Place place;

bool is_taken(std::uint32_t cell) {
  return (place.bitmap[cell / kWordBits] >> (cell % kWordBits) & 1) != 0;
}

void mark(std::uint32_t first, std::uint32_t count, bool taken) {
  for (std::uint32_t cell = first; cell < first + count; ++cell) {
    const std::uint64_t bit = std::uint64_t{1} << (cell % kWordBits);
    std::uint64_t& word = place.bitmap[cell / kWordBits];
    word = taken ? word | bit : word & ~bit;
  }
}

/// So many free cells in a row within [from, until), or kNoCell.
std::uint32_t search(std::uint32_t from, std::uint32_t until, std::uint32_t count) {
  std::uint32_t found = 0;
  for (std::uint32_t cell = from; cell < until; ++cell) {
    const bool whole_word = cell % kWordBits == 0 && ~place.bitmap[cell / kWordBits] == 0;
    if (whole_word) cell += kWordBits - 1;
    found = whole_word || is_taken(cell) ? 0 : found + 1;
    if (found == count) return cell + 1 - count;
  }
  return kNoCell;
}

std::uint32_t slot_of(std::uint32_t cell) {
  std::uint32_t slot = static_cast<std::uint32_t>(at<Node>(cell).hash) & shared->slot_mask;
  while (place.slots[slot] != cell) slot = (slot + 1) & shared->slot_mask;
  return slot;
}

void find_place(const Plan& p) {
  auto* const base = reinterpret_cast<char*>(shared);
  place.bitmap = reinterpret_cast<std::uint64_t*>(base + p.bitmap_at);
  place.slots = reinterpret_cast<std::uint32_t*>(base + p.slots_at);
  place.cells = reinterpret_cast<char*>(
      TYPEALIGN(kCellBytes, reinterpret_cast<std::uintptr_t>(base + p.cells_at)));
}

void start_empty(const Plan& p) {
  std::memset(static_cast<void*>(shared), 0, p.cells_at);
  shared->lock = &GetNamedLWLockTranche(kName)->lock;
  shared->cell_count = p.cells;
  shared->slot_mask = p.slots - 1;
  shared->smallest_failure = p.cells;
  for (pg_atomic_uint64& count : shared->refused) pg_atomic_init_u64(&count, 0);
  // Where there is no randomness the seeds are only harder to guess than zero.
  shared->seed = shared->sequence = static_cast<std::uint64_t>(MyStartTimestamp);
  (void)(pg_strong_random(&shared->seed, sizeof shared->seed) &&
         pg_strong_random(&shared->sequence, sizeof shared->sequence));
  mark(kNoCell, 1, true);
  shared->used_cells = 1;
  shared->search_from = 1;
}

}  // namespace

bool registry_available() {
  return pg::settings().preloaded;
}

void request_registry() {
  RequestAddinShmemSpace(plan().bytes);
  RequestNamedLWLockTranche(kName, 1);
}

void create_registry() {
  const Plan p = plan();
  LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
  bool found = false;
  shared = static_cast<Registry*>(ShmemInitStruct(kName, p.bytes, &found));
  find_place(p);
  if (!found) start_empty(p);
  LWLockRelease(AddinShmemInitLock);
  if (found || IsUnderPostmaster) return;
  load_registry();
  save_registry_at_exit();
}

/// Finds the segment, also from monitoring_net.so, which has its own copy of these variables.
Registry& registry() {
  if (shared == nullptr) create_registry();
  return *shared;
}

char* cell_at(std::uint32_t index) {
  return place.cells + std::size_t{index} * kCellBytes;
}

std::uint32_t* slots() {
  return place.slots;
}

std::uint32_t take_cells(std::uint32_t count) {
  Registry& r = registry();
  if (count >= r.smallest_failure) return kNoCell;
  std::uint32_t first = search(r.search_from, r.cell_count, count);
  if (first == kNoCell) first = search(1, r.cell_count, count);
  if (first == kNoCell) {
    r.smallest_failure = count;
    return kNoCell;
  }
  mark(first, count, true);
  r.used_cells += count;
  r.search_from = first + count;
  std::memset(cell_at(first), 0, std::size_t{count} * kCellBytes);
  return first;
}

void free_cells(std::uint32_t first, std::uint32_t count) {
  Registry& r = registry();
  mark(first, count, false);
  r.used_cells -= count;
  r.search_from = std::min(r.search_from, first);
  r.smallest_failure = r.cell_count;
}

void insert_node(std::uint32_t cell) {
  const std::uint32_t mask = registry().slot_mask;
  std::uint32_t slot = static_cast<std::uint32_t>(at<Node>(cell).hash) & mask;
  while (place.slots[slot] != kNoCell) slot = (slot + 1) & mask;
  place.slots[slot] = cell;
}

void erase_node(std::uint32_t cell) {
  const std::uint32_t mask = registry().slot_mask;
  std::uint32_t hole = slot_of(cell);
  // What lies behind moves into the hole, unless it is nearer to its home than the hole.
  for (std::uint32_t slot = (hole + 1) & mask; place.slots[slot] != kNoCell;
       slot = (slot + 1) & mask) {
    const auto home = static_cast<std::uint32_t>(at<Node>(place.slots[slot]).hash) & mask;
    if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
    place.slots[hole] = place.slots[slot];
    hole = slot;
  }
  place.slots[hole] = kNoCell;
}

}  // namespace monitoring::shmem
