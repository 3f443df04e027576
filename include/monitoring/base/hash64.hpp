#pragma once
// A fast 64-bit hash of bytes for tables in memory: folded multiplication, as in wyhash (Wang Yi,
// public domain). It may change with any release: never store it. Seed it at random where users
// choose the bytes.

#include <cstdint>
#include <cstring>
#include <string_view>

namespace monitoring {

namespace detail {

inline std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

template <class Word>
std::uint64_t load(const char* from) {
  Word word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

}  // namespace detail

inline std::uint64_t hash64(std::string_view bytes, std::uint64_t seed) {
  constexpr std::uint64_t kFirst = 0xa0761d6478bd642fULL;
  constexpr std::uint64_t kSecond = 0xe7037ed1a0b428dbULL;
  using detail::fold;
  using detail::load;

  const char* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t hash = seed ^ kFirst;
  for (; left > 16; at += 16, left -= 16) {
    hash = fold(load<std::uint64_t>(at) ^ kSecond, load<std::uint64_t>(at + 8) ^ hash);
  }
  // What is left is read in two words that may overlap.
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  if (left >= 8) {
    low = load<std::uint64_t>(at);
    high = load<std::uint64_t>(at + left - 8);
  } else if (left >= 4) {
    low = load<std::uint32_t>(at);
    high = load<std::uint32_t>(at + left - 4);
  } else if (left > 0) {
    low = load<std::uint8_t>(at) << 8 | load<std::uint8_t>(at + left / 2);
    high = load<std::uint8_t>(at + left - 1);
  }
  hash = fold(low ^ kSecond, high ^ hash);
  return fold(hash ^ kFirst, bytes.size() ^ kSecond);
}

}  // namespace monitoring
