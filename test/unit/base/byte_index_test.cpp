#include "monitoring/base/byte_index.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>

namespace monitoring {
namespace {

TEST(Hash64, DependsOnEveryByteTheLengthAndTheSeed) {
  std::set<std::uint64_t> seen;
  std::size_t inputs = 0;
  for (std::size_t size = 0; size < 70; ++size) {
    std::string bytes(size, 'a');
    seen.insert(hash64(bytes, 0));
    seen.insert(hash64(bytes, 1));
    inputs += 2 + size;
    for (char& byte : bytes) {
      byte = 'b';
      seen.insert(hash64(bytes, 0));
      byte = 'a';
    }
  }
  EXPECT_EQ(seen.size(), inputs);
}

TEST(SameBytes, ComparesEveryByteOfEveryLength) {
  for (std::size_t size = 0; size < 40; ++size) {
    const std::string bytes(size, 'a');
    std::string other = bytes;
    EXPECT_TRUE(same_bytes(bytes.data(), other.data(), size)) << size;
    for (char& byte : other) {
      byte = 'b';
      EXPECT_FALSE(same_bytes(bytes.data(), other.data(), size)) << size;
      byte = 'a';
    }
  }
}

TEST(ByteArena, KeepsBytesAlignedAndInPlace) {
  ByteArena arena;
  std::vector<std::pair<const char*, std::string>> kept;
  for (std::size_t i = 0; i < 2000; ++i) {
    std::string bytes(i * i % 977, static_cast<char>('a' + i % 26));
    kept.emplace_back(arena.keep(bytes), bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(kept.back().first) % alignof(std::max_align_t), 0u);
  }
  for (const auto& [place, bytes] : kept) EXPECT_EQ(std::string(place, bytes.size()), bytes);
  EXPECT_GT(arena.memory_bytes(), 100'000u);
  EXPECT_NE(arena.keep(std::string(1'000'000, 'x')), nullptr);
  arena.clear();
  EXPECT_EQ(arena.memory_bytes(), 0u);
}

TEST(ByteIndex, FindsWhatAMapFinds) {
  std::mt19937_64 random(3);
  ByteArena arena;
  ByteIndex<int> index(random());
  std::map<std::string, int> map;
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = std::to_string(random() % 5000);
    bytes.resize(random() % 3 * 7 + bytes.size(), '\0');
    const auto known = map.find(bytes);
    const int* found = index.find(bytes);
    ASSERT_EQ(found != nullptr, known != map.end()) << bytes;
    const auto candidate = index.candidate(index.hash_of(bytes, 0));
    ASSERT_EQ(candidate.bytes != nullptr, found != nullptr) << bytes;
    if (found != nullptr) {
      ASSERT_EQ(*found, known->second);
      ASSERT_TRUE(candidate.has(bytes));
      ASSERT_FALSE(candidate.has(bytes + 'x'));
      ASSERT_EQ(candidate.value, *found);
      continue;
    }
    map.emplace(bytes, i);
    index.insert({arena.keep(bytes), bytes.size()}, 0, i);
  }
  EXPECT_GT(map.size(), 5000u);
  index.clear();
  EXPECT_EQ(index.find("1"), nullptr);
  EXPECT_EQ(index.memory_bytes(), 0u);
}

TEST(ByteIndex, TellsEqualBytesApartByTheirValues) {
  ByteIndex<int> index(7);
  const std::string bytes = "tags";
  // The same salt makes them collide; another salt is another place.
  for (int value = 0; value < 100; ++value) index.insert(bytes, value < 50 ? 1 : 2, value);
  for (int value = 0; value < 100; ++value) {
    const auto is_it = [value](int held) { return held == value; };
    const int* found = index.find(bytes, value < 50 ? 1 : 2, is_it);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(*found, value);
  }
  EXPECT_EQ(index.find(bytes, 1, [](int) { return false; }), nullptr);
}

TEST(ByteIndex, FindsTheEmptyString) {
  ByteArena arena;
  ByteIndex<int> index(1);
  index.insert({arena.keep(""), 0}, 0, 7);
  ASSERT_NE(index.find(""), nullptr);
  EXPECT_EQ(*index.find(""), 7);
}

}  // namespace
}  // namespace monitoring
