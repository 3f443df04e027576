#include "monitoring/base/hash128.hpp"

#include <cstring>

namespace monitoring {

namespace {

constexpr std::uint64_t kC1 = 0x87c37b91114253d5ULL;
constexpr std::uint64_t kC2 = 0x4cf5ad432745937fULL;

std::uint64_t rotate_left(std::uint64_t value, int bits) {
  return (value << bits) | (value >> (64 - bits));
}

std::uint64_t read_word(const char* from) {
  std::uint64_t word = 0;
  std::memcpy(&word, from, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word = __builtin_bswap64(word);
#endif
  return word;
}

std::uint64_t mix_low(std::uint64_t word) {
  return rotate_left(word * kC1, 31) * kC2;
}
std::uint64_t mix_high(std::uint64_t word) {
  return rotate_left(word * kC2, 33) * kC1;
}

std::uint64_t finish(std::uint64_t word) {
  word ^= word >> 33;
  word *= 0xff51afd7ed558ccdULL;
  word ^= word >> 33;
  word *= 0xc4ceb9fe1a85ec53ULL;
  return word ^ (word >> 33);
}

/// The last 0 to 15 bytes, filled up with zeros.
void add_tail(std::string_view tail, Hash128* hash) {
  char padded[16] = {};
  std::memcpy(padded, tail.data(), tail.size());
  if (tail.size() > 8) hash->high ^= mix_high(read_word(padded + 8));
  if (!tail.empty()) hash->low ^= mix_low(read_word(padded));
}

}  // namespace

Hash128 hash128(std::string_view bytes, std::uint64_t seed) {
  Hash128 hash{seed, seed};
  const std::size_t blocks = bytes.size() / 16;
  for (std::size_t i = 0; i < blocks; ++i) {
    const char* block = bytes.data() + i * 16;
    hash.low ^= mix_low(read_word(block));
    hash.low = (rotate_left(hash.low, 27) + hash.high) * 5 + 0x52dce729;
    hash.high ^= mix_high(read_word(block + 8));
    hash.high = (rotate_left(hash.high, 31) + hash.low) * 5 + 0x38495ab5;
  }
  add_tail(bytes.substr(blocks * 16), &hash);
  hash.low ^= bytes.size();
  hash.high ^= bytes.size();
  hash.low += hash.high;
  hash.high += hash.low;
  hash.low = finish(hash.low);
  hash.high = finish(hash.high);
  hash.low += hash.high;
  hash.high += hash.low;
  return hash;
}

}  // namespace monitoring
