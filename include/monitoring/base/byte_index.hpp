#pragma once
// ByteArena and ByteIndex: byte strings that are kept, and a table from byte strings to values.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "monitoring/base/hash64.hpp"

namespace monitoring {

/// For short strings that mostly are equal, without a call.
inline bool same_bytes(const char* a, const char* b, std::size_t size) {
  constexpr std::size_t kWord = sizeof(std::uint64_t);
  const auto differ = [&](std::size_t at) {
    return detail::load<std::uint64_t>(a + at) != detail::load<std::uint64_t>(b + at);
  };
  if (size < kWord) return std::memcmp(a, b, size) == 0;
  for (std::size_t at = 0; at + kWord < size; at += kWord) {
    if (differ(at)) return false;
  }
  return !differ(size - kWord);  // the last word may overlap the one before
}

/// Copies of byte strings, aligned for anything, that stay where they are until clear().
class ByteArena {
 public:
  const char* keep(std::string_view bytes) {
    constexpr std::size_t kAlign = alignof(std::max_align_t);
    const std::size_t size = (bytes.size() + kAlign - 1) / kAlign * kAlign;
    // Of an empty string, too, there is a place: no bytes at all would be those of a free slot.
    if (next_ == nullptr || size > free_) add_block(size);
    char* place = next_;
    next_ += size;
    free_ -= size;
    if (!bytes.empty()) std::memcpy(place, bytes.data(), bytes.size());
    return place;
  }
  std::size_t memory_bytes() const { return memory_bytes_; }
  void clear() { *this = ByteArena(); }

 private:
  void add_block(std::size_t at_least) {
    const std::size_t size = std::max<std::size_t>(at_least, 64UL * 1024);
    blocks_.push_back(std::make_unique<char[]>(size));
    next_ = blocks_.back().get();
    free_ = size;
    memory_bytes_ += size;
  }

  std::vector<std::unique_ptr<char[]>> blocks_;
  char* next_ = nullptr;
  std::size_t free_ = 0;
  std::size_t memory_bytes_ = 0;
};

/// Open addressing. Entries of equal bytes may be told apart by their values: a look-up says which
/// it accepts, and gives the hash a salt that differs with them. The bytes belong to the caller.
template <class Value>
class ByteIndex {
 public:
  explicit ByteIndex(std::uint64_t seed) : seed_(seed) {}

  /// What a look-up in steps begins with: hash_of(), prefetch(), candidate(), find_hashed().
  std::uint64_t hash_of(std::string_view bytes, std::uint64_t salt) const {
    return hash64(bytes, seed_ ^ salt);
  }
  /// Asks for the memory in which the search for this hash begins.
  void prefetch(std::uint64_t hash) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[hash & mask()]);
  }
  /// The first entry of a hash. Nothing says yet that its bytes are the ones that are looked for.
  struct Candidate {
    const char* bytes = nullptr;  // nullptr: there is none
    std::size_t size = 0;
    Value value{};

    bool has(std::string_view wanted) const {
      return size == wanted.size() && same_bytes(bytes, wanted.data(), size);
    }
  };
  /// Asks for the bytes, too. A copy, because an insert moves entries.
  Candidate candidate(std::uint64_t hash) const {
    if (slots_.empty()) return {};
    for (std::size_t at = hash & mask();; at = (at + 1) & mask()) {
      const Slot& slot = slots_[at];
      if (slot.bytes == nullptr) return {};
      if (slot.hash != hash) continue;
      __builtin_prefetch(slot.bytes);
      return {slot.bytes, slot.size, slot.value};
    }
  }
  /// The value of these bytes that is accepted, or nullptr.
  template <class Accept>
  const Value* find_hashed(std::uint64_t hash, std::string_view bytes, Accept accept) const {
    if (slots_.empty()) return nullptr;
    for (std::size_t at = hash & mask();; at = (at + 1) & mask()) {
      const Slot& slot = slots_[at];
      if (slot.bytes == nullptr) return nullptr;
      if (slot.hash == hash && slot.size == bytes.size() && accept(slot.value) &&
          same_bytes(slot.bytes, bytes.data(), bytes.size())) {
        return &slot.value;
      }
    }
  }
  template <class Accept>
  const Value* find(std::string_view bytes, std::uint64_t salt, Accept accept) const {
    return find_hashed(hash_of(bytes, salt), bytes, accept);
  }
  const Value* find(std::string_view bytes) const {
    return find(bytes, 0, [](const Value&) { return true; });
  }

  /// There must be no such entry yet. kept must outlive the entry.
  void insert(std::string_view kept, std::uint64_t salt, Value value) {
    if (used_ * 4 >= slots_.size() * 3) grow();
    place({hash_of(kept, salt), kept.data(), kept.size(), std::move(value)});
    ++used_;
  }

  std::size_t memory_bytes() const { return slots_.size() * sizeof(Slot); }
  void clear() {
    slots_ = {};
    used_ = 0;
  }

 private:
  struct Slot {
    std::uint64_t hash = 0;
    const char* bytes = nullptr;  // nullptr: the slot is free
    std::size_t size = 0;
    Value value{};
  };

  std::size_t mask() const { return slots_.size() - 1; }

  void place(Slot slot) {
    std::size_t at = slot.hash & mask();
    while (slots_[at].bytes != nullptr) at = (at + 1) & mask();
    slots_[at] = std::move(slot);
  }

  void grow() {
    std::vector<Slot> old(std::max<std::size_t>(slots_.size() * 2, 64));
    old.swap(slots_);
    for (Slot& slot : old) {
      if (slot.bytes != nullptr) place(std::move(slot));
    }
  }

  std::uint64_t seed_;
  std::size_t used_ = 0;
  std::vector<Slot> slots_;
};

}  // namespace monitoring
