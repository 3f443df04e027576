#include "monitoring/base/hash128.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace monitoring {
namespace {

// Published: Murmur3F("") with seed 0 is all zeros; "The quick brown fox ..." as in the Guava
// tests.
TEST(Hash128, AgreesWithPublishedValues) {
  EXPECT_EQ(hash128(""), (Hash128{0, 0}));
  const Hash128 fox = hash128("The quick brown fox jumps over the lazy dog");
  EXPECT_EQ(fox.low, 0xe34bbc7bbc071b6cULL);
  EXPECT_EQ(fox.high, 0x7a433ca9c49a9347ULL);
}

TEST(Hash128, EveryTailLengthCounts) {
  std::set<std::pair<std::uint64_t, std::uint64_t>> seen;
  std::string text;
  for (int length = 0; length < 64; ++length, text += 'a') {
    const Hash128 hash = hash128(text);
    seen.emplace(hash.low, hash.high);
  }
  EXPECT_EQ(seen.size(), 64U);
}

TEST(Hash128, TheSeedCounts) {
  EXPECT_NE(hash128("a", 1), hash128("a", 2));
}

}  // namespace
}  // namespace monitoring
