#include "monitoring/metrics/sketch.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <limits>
#include <new>
#include <utility>

#include "metrics/sketch_mapping.hpp"
#include "metrics/sketch_ranks.hpp"
#include "metrics/sketch_reader.hpp"
#include "monitoring/base/varint.hpp"

namespace monitoring::metrics {

// Counts of the keys base, base + 1, ... The keys of a window have one sign; zeros, which are
// common and far from everything in key order, are counted apart. All counts together fit into
// 32 bits: half the memory is half the cache misses.
struct Sketch::Window {
  std::uint32_t zeros;
  std::int32_t base;
  std::uint32_t counts[1];  // capacity_ of them
};

namespace {

constexpr std::uint64_t kNarrowLimit = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint32_t kLargestNarrow = 256;
/// A window this wide cannot break kMaxBucketsPerSign.
constexpr std::uint32_t kWidestWindow = Sketch::kMaxBucketsPerSign;
/// A sorted array pays for small sketches; a window of mostly empty slots never does.
constexpr std::uint32_t kSmallestWindow = 16;
constexpr std::uint32_t kSlotsPerBucket = 8;

void* allocate(std::size_t bytes) {
  void* block = std::malloc(bytes);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

/// The first bucket with a key not below this one. Without branches that depend on the data.
template <class Bucket>
Bucket* lower_bound(Bucket* first, std::uint32_t length, std::int32_t key) {
  while (length > 1) {
    const std::uint32_t half = length / 2;
    first = first[half - 1].key < key ? first + half : first;
    length -= half;
  }
  return length == 1 && first->key < key ? first + 1 : first;
}

template <class Bucket>
void insert_at(Bucket* place, const Bucket* end, Bucket bucket) {
  std::memmove(place + 1, place, static_cast<std::size_t>(end - place) * sizeof(Bucket));
  *place = bucket;
}

}  // namespace

static_assert(sizeof(Sketch) == 24, "the roll-up keeps a million of them");

template <class Visit>
void Sketch::for_each(Visit&& visit) const {
  switch (kind()) {
    case Kind::inside:
    case Kind::narrow:
      for (std::uint32_t i = 0; i < used_; ++i) visit(narrow()[i].key, narrow()[i].count);
      return;
    case Kind::wide:
      for (std::uint32_t i = 0; i < used_; ++i) visit(heap_.wide[i].key, heap_.wide[i].count);
      return;
    case Kind::dense: {
      const Window& window = *heap_.window;
      const bool zeros_first = window.base > 0;
      if (window.zeros > 0 && zeros_first) visit(0, window.zeros);
      for (std::uint32_t i = 0; i < capacity_; ++i) {
        if (window.counts[i] == 0) continue;
        visit(window.base + static_cast<std::int32_t>(i), window.counts[i]);
      }
      if (window.zeros > 0 && !zeros_first) visit(0, window.zeros);
      return;
    }
  }
}

Sketch::Sketch(const Sketch& other) : Sketch() {
  if (other.kind() == Kind::inside) {
    std::memcpy(inside_, other.inside_, sizeof inside_);
  } else {
    const std::size_t bytes = other.memory_bytes() - sizeof(Sketch);
    heap_.block = std::memcpy(allocate(bytes), other.heap_.block, bytes);
    heap_.total = other.heap_.total;
  }
  used_ = other.used_;
  kind_ = other.kind_;
  capacity_ = other.capacity_;
}

Sketch::~Sketch() {
  release();
}

void Sketch::release() noexcept {
  if (kind() != Kind::inside) std::free(heap_.block);
}

void Sketch::swap(Sketch& other) noexcept {
  // The union is plain bytes: whichever member is alive moves along.
  static_assert(sizeof(inside_) == sizeof(heap_));
  std::swap(heap_, other.heap_);
  std::swap(used_, other.used_);
  const std::uint32_t kind = kind_;
  const std::uint32_t capacity = capacity_;
  kind_ = other.kind_;
  capacity_ = other.capacity_;
  other.kind_ = kind;
  other.capacity_ = capacity;
}

std::uint64_t Sketch::count() const {
  if (kind() != Kind::inside) return heap_.total;
  std::uint64_t total = 0;
  for (std::uint32_t i = 0; i < used_; ++i) total += inside_[i].count;
  return total;
}

std::size_t Sketch::memory_bytes() const {
  switch (kind()) {
    case Kind::inside:
      return sizeof(Sketch);
    case Kind::narrow:
      return sizeof(Sketch) + capacity_ * sizeof(NarrowBucket);
    case Kind::wide:
      return sizeof(Sketch) + capacity_ * sizeof(WideBucket);
    case Kind::dense:
      break;
  }
  return sizeof(Sketch) + sizeof(Window) + capacity_ * sizeof(std::uint32_t);
}

void Sketch::add(double value, std::uint64_t count) {
  add_key(sketch_key(value), count);
}

void Sketch::add(const double* values, std::size_t values_count) {
  // The keys first: then the counts, which lie apart in memory, are waited for together.
  std::int32_t keys[64];
  while (values_count > 0) {
    const std::size_t chunk = std::min(values_count, std::size(keys));
    for (std::size_t i = 0; i < chunk; ++i) keys[i] = sketch_key(values[i]);
    for (std::size_t done = 0; done < chunk;) {
      if (kind() == Kind::dense) done += add_dense(keys + done, chunk - done);
      if (done < chunk) add_key(keys[done++], 1);
    }
    values += chunk;
    values_count -= chunk;
  }
}

void Sketch::merge(const Sketch& other) {
  if (&other == this || empty()) {
    merge(Sketch(other));
    return;
  }
  if (merge_sorted(other)) return;
  other.for_each([this](std::int32_t key, std::uint64_t count) { add_key(key, count); });
}

void Sketch::merge(Sketch&& other) {
  if (empty()) {
    swap(other);
    return;
  }
  merge(static_cast<const Sketch&>(other));
}

/// Two sorted arrays become one, in one walk through both. False, and nothing done, where one of
/// them is no such array or the result might not fit one.
bool Sketch::merge_sorted(const Sketch& other) {
  const std::uint32_t most = used_ + other.used_;
  if (!is_sorted_narrow() || !other.is_sorted_narrow() || most > kMaxBucketsPerSign) return false;
  if (count() + other.count() > kNarrowLimit) return false;
  auto* merged = static_cast<NarrowBucket*>(allocate(most * sizeof(NarrowBucket)));
  const NarrowBucket* left = narrow();
  const NarrowBucket* right = other.narrow();
  const NarrowBucket* const left_end = left + used_;
  const NarrowBucket* const right_end = right + other.used_;
  NarrowBucket* next = merged;
  while (left < left_end && right < right_end) {
    const std::int32_t left_key = left->key;
    const std::int32_t right_key = right->key;
    *next = left_key <= right_key ? *left : *right;
    next->count += left_key == right_key ? right->count : 0;
    left += left_key <= right_key ? 1 : 0;
    right += right_key <= left_key ? 1 : 0;
    ++next;
  }
  next = std::copy(left, left_end, next);
  next = std::copy(right, right_end, next);
  const std::uint64_t total = count() + other.count();
  install(Kind::narrow, merged, most);
  heap_.total = total;
  used_ = static_cast<std::uint32_t>(next - merged);
  return true;
}

void Sketch::add_key(std::int32_t key, std::uint64_t count) {
  count = std::min(count, kMaxCount - this->count());
  if (count == 0) return;
  for (;;) {
    switch (kind()) {
      case Kind::inside:
      case Kind::narrow:
        if (add_narrow(key, count)) return;
        break;
      case Kind::wide:
        if (add_wide(key, count)) return;
        break;
      case Kind::dense:
        if (add_dense(key, count)) return;
        break;
    }
    make_room(key);
  }
}

// The three below return false, having done nothing, where the representation has no room:
// make_room then changes it.

bool Sketch::add_narrow(std::int32_t key, std::uint64_t count) {
  NarrowBucket* const first = narrow();
  NarrowBucket* const place = lower_bound(first, used_, key);
  const bool found = place < first + used_ && place->key == key;
  if (count > kNarrowLimit - (found ? place->count : 0)) {
    become_wide(std::max(2 * used_, 4u));
    return false;
  }
  if (found) {
    place->count += static_cast<std::uint32_t>(count);
  } else {
    if (used_ == capacity_) return false;
    insert_at(place, first + used_, NarrowBucket{key, static_cast<std::uint32_t>(count)});
    ++used_;
  }
  if (kind() != Kind::inside) heap_.total += count;
  return true;
}

bool Sketch::add_wide(std::int32_t key, std::uint64_t count) {
  WideBucket* const first = heap_.wide;
  WideBucket* const place = lower_bound(first, used_, key);
  if (place < first + used_ && place->key == key) {
    place->count += count;
    heap_.total += count;
    return true;
  }
  if (used_ == capacity_) return false;
  insert_at(place, first + used_, WideBucket{key, count});
  heap_.total += count;
  if (++used_ > kMaxBucketsPerSign) join_smallest();
  return true;
}

bool Sketch::add_dense(std::int32_t key, std::uint64_t count) {
  if (count > kNarrowLimit - heap_.total) {
    become_wide(2 * used_);
    return false;
  }
  Window& window = *heap_.window;
  const auto slot = static_cast<std::uint32_t>(key - window.base);
  if (slot >= capacity_ && key != 0) return false;
  std::uint32_t& held = key == 0 ? window.zeros : window.counts[slot];
  used_ += held == 0 ? 1 : 0;
  held += static_cast<std::uint32_t>(count);
  heap_.total += count;
  return true;
}

/// Adds a bucket behind all others: the key is above theirs.
void Sketch::append(std::int32_t key, std::uint64_t count) {
  if (!is_sorted_narrow() || used_ == capacity_ || count > kNarrowLimit) {
    add_key(key, count);
    return;
  }
  narrow()[used_++] = NarrowBucket{key, static_cast<std::uint32_t>(count)};
  if (kind() != Kind::inside) heap_.total += count;
}

/// Adds one of each key, up to the first that the window has no place for. Returns how many.
std::size_t Sketch::add_dense(const std::int32_t* keys, std::size_t keys_count) {
  Window& window = *heap_.window;
  const std::size_t most = std::min<std::uint64_t>(keys_count, kNarrowLimit - heap_.total);
  std::uint32_t added_buckets = 0;
  std::size_t i = 0;
  for (; i < most; ++i) {
    const auto slot = static_cast<std::uint32_t>(keys[i] - window.base);
    if (slot >= capacity_) break;
    added_buckets += window.counts[slot]++ == 0 ? 1 : 0;
  }
  used_ += added_buckets;
  heap_.total += i;
  return i;
}

std::int32_t Sketch::key_at(std::uint32_t position) const {
  return kind() == Kind::wide ? heap_.wide[position].key : narrow()[position].key;
}

void Sketch::make_room(std::int32_t key) {
  if (kind() == Kind::dense) {
    widen_window(key);
    return;
  }
  if (used_ < capacity_) return;  // the buckets have been made wide already
  if (used_ >= kSmallestWindow && heap_.total <= kNarrowLimit) {
    // The neighbours of zero on either end of the range are what a window would have to hold.
    const bool starts_at_zero = key_at(0) == 0;
    const bool ends_at_zero = key_at(used_ - 1) == 0;
    const std::int32_t lowest = key_at(starts_at_zero ? 1 : 0);
    const std::int32_t highest = key_at(ends_at_zero ? used_ - 2 : used_ - 1);
    const bool one_sign = (lowest > 0) == (highest > 0);
    const auto width = static_cast<std::uint32_t>(highest - lowest + 1);
    if (one_sign && width <= std::min(kWidestWindow, kSlotsPerBucket * used_)) {
      become_dense(lowest, highest);
      return;
    }
  }
  const std::uint32_t capacity = 2 * capacity_;
  if (kind() == Kind::wide || capacity > kLargestNarrow) {
    become_wide(std::min(capacity, kMaxSketchBuckets + 1));  // one more until join_smallest
  } else {
    become_narrow(capacity);
  }
}

void Sketch::widen_window(std::int32_t key) {
  const Window& window = *heap_.window;
  const std::int32_t last = window.base + static_cast<std::int32_t>(capacity_) - 1;
  const bool same_sign = (key > 0) == (window.base > 0);
  const std::int32_t lowest = std::min(key, window.base);
  const std::int32_t highest = std::max(key, last);
  const auto width = static_cast<std::uint32_t>(highest - lowest + 1);
  if (!same_sign || width > std::min(kWidestWindow, kSlotsPerBucket * (used_ + 1))) {
    become_wide(2 * used_);
    return;
  }
  become_dense(lowest, highest);
}

void Sketch::install(Kind kind, void* block, std::uint32_t capacity) {
  const std::uint64_t total = count();
  release();
  heap_.block = block;
  heap_.total = total;
  kind_ = static_cast<std::uint32_t>(kind);
  capacity_ = capacity;
}

void Sketch::become_narrow(std::uint32_t capacity) {
  auto* buckets = static_cast<NarrowBucket*>(allocate(capacity * sizeof(NarrowBucket)));
  std::memcpy(buckets, narrow(), used_ * sizeof(NarrowBucket));
  install(Kind::narrow, buckets, capacity);
}

void Sketch::become_wide(std::uint32_t capacity) {
  auto* buckets = static_cast<WideBucket*>(allocate(capacity * sizeof(WideBucket)));
  WideBucket* next = buckets;
  for_each([&next](std::int32_t key, std::uint64_t count) { *next++ = WideBucket{key, count}; });
  install(Kind::wide, buckets, capacity);
}

void Sketch::become_dense(std::int32_t lowest, std::int32_t highest) {
  // An eighth of slack on both sides, within the sign, so that a window grows in few steps.
  const std::int32_t width = highest - lowest + 1;
  const auto widest = static_cast<std::int32_t>(kWidestWindow);
  const std::int32_t slack = std::min(width / 8 + 1, (widest - width) / 2);
  const std::int32_t base = lowest > 0 ? std::max(lowest - slack, 1) : lowest - slack;
  const std::int32_t last = highest < 0 ? std::min(highest + slack, -1) : highest + slack;
  const auto capacity = static_cast<std::uint32_t>(last - base + 1);

  const std::size_t bytes = sizeof(Window) + capacity * sizeof(std::uint32_t);
  auto* window = static_cast<Window*>(std::memset(allocate(bytes), 0, bytes));
  window->base = base;
  for_each([window, base](std::int32_t key, std::uint64_t count) {
    (key == 0 ? window->zeros : window->counts[key - base]) = static_cast<std::uint32_t>(count);
  });
  install(Kind::dense, window, capacity);
}

void Sketch::join_smallest() {
  WideBucket* const first = heap_.wide;
  const auto negative = static_cast<std::uint32_t>(lower_bound(first, used_, 0) - first);
  const auto up_to_zero = static_cast<std::uint32_t>(lower_bound(first, used_, 1) - first);
  // One bucket was added, so at most one sign has one too many.
  std::uint32_t victim;
  if (negative > kMaxBucketsPerSign) {
    victim = negative - 1;
    first[victim - 1].count += first[victim].count;
  } else if (used_ - up_to_zero > kMaxBucketsPerSign) {
    victim = up_to_zero;
    first[victim + 1].count += first[victim].count;
  } else {
    return;
  }
  std::memmove(first + victim, first + victim + 1, (used_ - victim - 1) * sizeof(WideBucket));
  --used_;
}

double Sketch::quantile(double q) const {
  if (empty() || std::isnan(q)) return std::numeric_limits<double>::quiet_NaN();
  const QuantileRanks ranks(q, count());
  std::int32_t low = 0;
  std::int32_t high = 0;
  std::uint64_t seen = 0;
  for_each([&](std::int32_t key, std::uint64_t count) {
    const std::uint64_t before = seen;
    seen += count;
    if (before <= ranks.below && ranks.below < seen) low = key;
    if (before <= ranks.above && ranks.above < seen) high = key;
  });
  return ranks.between(low, high);
}

std::string Sketch::serialize() const {
  std::string bytes(1, static_cast<char>(kSketchVersion));
  append_varint(bytes, used_);
  bool is_first = true;
  std::int32_t previous = 0;
  for_each([&](std::int32_t key, std::uint64_t count) {
    append_varint(bytes, is_first ? zigzag(key) : static_cast<std::uint64_t>(key - previous));
    append_varint(bytes, count);
    is_first = false;
    previous = key;
  });
  return bytes;
}

Result<Sketch> Sketch::parse(std::string_view bytes) {
  Sketch sketch;
  // Room for all of them at once: the keys ascend, so that each is added at the end.
  const auto reserve = [&sketch](std::uint32_t buckets) {
    if (buckets > kInside) sketch.become_narrow(buckets);
  };
  const auto add = [&sketch](std::int32_t key, std::uint64_t count) { sketch.append(key, count); };
  const Result<ReadBuckets> read = read_sketch(bytes, reserve, add);
  if (!read) return read.error();
  return sketch;
}

}  // namespace monitoring::metrics
