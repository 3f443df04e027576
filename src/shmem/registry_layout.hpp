#pragma once
// The registry's shared structures. See REGISTRY.md.

#include "monitoring/pg/postgres.hpp"

extern "C" {
#include <port/atomics.h>
#include <storage/lwlock.h>
}
// clang-format keeps the server's headers first.
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "monitoring/shmem/registry.hpp"

namespace monitoring::shmem {

/// Memory is given out in cells of a cache line, so that no two series share one.
constexpr std::uint32_t kCellBytes = 64;
/// Index of a cell that is never given out.
constexpr std::uint32_t kNoCell = 0;
constexpr std::uint32_t kStripes = 8;

enum class NodeKind : std::uint32_t { metric = 1, series = 2 };

/// What the hash table finds; the start of a metric or a series.
struct Node {
  std::uint64_t hash;
  NodeKind kind;
  std::uint32_t cells;
};

/// Followed by its bounds and its name. Help and unit, which may change, lie apart.
struct MetricNode {
  Node node;
  Oid database;
  std::uint32_t next;  ///< of the list of all metrics
  std::uint32_t first_series;
  std::uint32_t alive_count;
  std::uint32_t text;  ///< cells of help and unit, one behind the other; kNoCell: both are empty
  std::uint32_t text_cells;
  std::uint32_t help_length;
  std::uint32_t unit_length;
  std::uint32_t name_length;
  std::uint32_t bound_count;
  MetricType type;
  bool retired;  ///< has no series that is alive: the name belongs to a metric of another type

  double* bounds() { return reinterpret_cast<double*>(this + 1); }
  char* name_bytes() { return reinterpret_cast<char*>(bounds() + bound_count); }
  std::string_view name() { return {name_bytes(), name_length}; }
};
static_assert(std::is_trivially_copyable_v<MetricNode> && sizeof(MetricNode) % 8 == 0);

/// Followed by its values, one or (of a histogram) the sum and the counts of the buckets, and its
/// labels. Values are moved without a lock; once `stripes` is set, writers spread over kStripes
/// further copies of them, and the value of the series is the sum of all.
struct Series {
  Node node;
  std::uint64_t origin;
  std::uint32_t metric;
  std::uint32_t next;  ///< of the metric's list
  std::uint32_t labels_length;
  std::uint32_t value_count;
  pg_atomic_uint32 alive;
  pg_atomic_uint32 stripes;
  pg_atomic_uint32 collisions;
  std::uint32_t reserved;

  pg_atomic_uint64* values() { return reinterpret_cast<pg_atomic_uint64*>(this + 1); }
  char* label_bytes() { return reinterpret_cast<char*>(values() + value_count); }
  std::string_view labels() { return {label_bytes(), labels_length}; }
  std::uint32_t stripe_cells() const {
    return (value_count * sizeof(pg_atomic_uint64) + kCellBytes - 1) / kCellBytes;
  }
};
static_assert(std::is_trivially_copyable_v<Series> && sizeof(Series) == 56);

/// The lock protects everything but the values, `alive`, `stripes` and `collisions` of series and
/// the counts of refusals.
struct Registry {
  LWLock* lock;
  std::uint64_t seed;      ///< of the hash: nobody can make names that collide
  std::uint64_t sequence;  ///< of origins; starts at random
  std::uint32_t cell_count;
  std::uint32_t used_cells;
  std::uint32_t search_from;
  std::uint32_t smallest_failure;  ///< so many cells in a row there are not, until some are freed
  std::uint32_t slot_mask;
  std::uint32_t first_metric;
  std::uint32_t metric_count;
  std::uint32_t series_count;   ///< alive
  pg_atomic_uint64 refused[6];  ///< by Refusal
  // Then: a bit for every cell, the slots of the hash table, the cells; each on a cache line.
};
static_assert(std::is_trivially_copyable_v<Registry>);

Registry& registry();
char* cell_at(std::uint32_t index);

template <class T>
T& at(std::uint32_t cell) {
  return *reinterpret_cast<T*>(cell_at(cell));
}

/// A leaf section of the registry's lock: plain loads and stores only.
template <class Section>
auto registry_locked(LWLockMode mode, Section&& section) {
  LWLockAcquire(registry().lock, mode);
  if constexpr (std::is_void_v<decltype(section())>) {
    section();
    LWLockRelease(registry().lock);
  } else {
    auto value = section();
    LWLockRelease(registry().lock);
    return value;
  }
}

// --- Cells and hash table (registry_table.cpp); all under the lock, exclusive where they change
// ----

constexpr std::uint32_t cells_for(std::size_t bytes) {
  return static_cast<std::uint32_t>((bytes + kCellBytes - 1) / kCellBytes);
}

/// So many zeroed cells in a row, or kNoCell.
std::uint32_t take_cells(std::uint32_t count);
void free_cells(std::uint32_t first, std::uint32_t count);

/// The first cell of the node of this hash that fits, or kNoCell.
template <class Fits>
std::uint32_t find_node(std::uint64_t hash, Fits&& fits);
void insert_node(std::uint32_t cell);
void erase_node(std::uint32_t cell);

std::uint32_t* slots();

template <class Fits>
std::uint32_t find_node(std::uint64_t hash, Fits&& fits) {
  const std::uint32_t mask = registry().slot_mask;
  for (std::uint32_t slot = static_cast<std::uint32_t>(hash) & mask; slots()[slot] != kNoCell;
       slot = (slot + 1) & mask) {
    const std::uint32_t cell = slots()[slot];
    if (at<Node>(cell).hash == hash && fits(cell)) return cell;
  }
  return kNoCell;
}

// --- Metrics and series (registry.cpp), under the lock ------------------------------------------

std::uint32_t metric_cell(Oid database, std::string_view name);
/// kNoCell where memory is used up.
std::uint32_t make_metric(Oid database, const MetricSpec& spec);
std::uint32_t make_series(std::uint32_t metric, std::string_view labels);

inline std::uint64_t bits_of(double value) {
  std::uint64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}
inline double double_of(std::uint64_t bits) {
  double value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// Copies the values of a series, its stripes added, into value_count words: the first a double.
void read_values(Series& series, std::uint64_t* values);

/// Calls visit(cell) for every metric / every series of a metric that is alive.
template <class Visit>
void for_each_metric(Visit&& visit) {
  for (std::uint32_t cell = registry().first_metric; cell != kNoCell;) {
    const std::uint32_t next = at<MetricNode>(cell).next;
    visit(cell);
    cell = next;
  }
}
template <class Visit>
void for_each_series(const MetricNode& metric, Visit&& visit) {
  for (std::uint32_t cell = metric.first_series; cell != kNoCell;) {
    const std::uint32_t next = at<Series>(cell).next;
    visit(cell);
    cell = next;
  }
}

/// Where the last run's values lie. Called by the postmaster only.
void load_registry();
void save_registry_at_exit();

}  // namespace monitoring::shmem
