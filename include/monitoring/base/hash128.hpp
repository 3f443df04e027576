#pragma once
// A 128-bit hash of bytes: MurmurHash3_x64_128 (Austin Appleby, public domain). Stable: values are
// stored in tables. Not for secrets, and not against somebody who makes collisions on purpose.

#include <cstdint>
#include <string_view>

namespace monitoring {

struct Hash128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  friend bool operator==(Hash128 a, Hash128 b) { return a.low == b.low && a.high == b.high; }
  friend bool operator!=(Hash128 a, Hash128 b) { return !(a == b); }
};

Hash128 hash128(std::string_view bytes, std::uint64_t seed = 0);

}  // namespace monitoring
