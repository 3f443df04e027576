// Bodies with a right check that nobody has encoded.

#include <gtest/gtest.h>

#include <cmath>

#include "chunk/bits.hpp"
#include "chunk/frame.hpp"
#include "monitoring/base/varint.hpp"
#include "monitoring/chunk/chunk.hpp"

namespace monitoring::chunk {
namespace {

/// Builds bodies number by number.
struct Body {
  std::string bytes;
  Body& number(std::uint64_t value) {
    append_varint(bytes, value);
    return *this;
  }
  Body& raw(const std::string& text) {
    bytes += text;
    return *this;
  }
  Body& part(const Body& inner) { return number(inner.bytes.size()).raw(inner.bytes); }
};

Body times(std::uint64_t count, const std::vector<std::uint64_t>& codes) {
  Body part;
  part.number(count);
  for (const std::uint64_t code : codes) part.number(code);
  return part;
}

Body equal(double value) {
  Body part;
  part.raw(std::string(1, '\0'));
  append_eight(part.bytes, bits_of(value));
  return part;
}

Body decimal(char exponent, char order, const std::vector<std::uint64_t>& codes) {
  Body part;
  part.raw(std::string{1, exponent, order}).number(0);
  for (const std::uint64_t code : codes) part.number(code);
  return part;
}

Body one_run(const Body& times, const Body& values) {
  Body body;
  return body.number(1).number(7).number(0).part(times).part(values);
}

/// "": the chunk opens and decodes.
std::string problem(const Body& body) {
  const auto chunk = Chunk::open(framed(body.bytes, Packing::kPlain));
  if (!chunk) return chunk.error().message;
  for (std::size_t i = 0; i < chunk->runs(); ++i) {
    const auto run = chunk->decode(i);
    if (!run) return run.error().message;
  }
  return "";
}

const std::uint64_t kLastTime = zigzag(kLastTimeMs);
const std::uint64_t kLargest = zigzag((std::int64_t{1} << 53) - 1);

TEST(HostileChunk, ARightOneIsRead) {
  EXPECT_EQ(problem(one_run(times(1, {0}), equal(1))), "");
  EXPECT_EQ(problem(one_run(times(3, {kLastTime - 10, 1, 0}), equal(1))), "");
  EXPECT_EQ(problem(one_run(times(2, {0, 1}), decimal(15, 2, {kLargest, 1}))), "");
}

TEST(HostileChunk, Times) {
  EXPECT_NE(problem(one_run(times(0, {}), equal(1))), "");
  EXPECT_NE(problem(one_run(times(kMostSamples + 1, {0}), equal(1))), "");
  EXPECT_NE(problem(one_run(times(2, {0}), equal(1))), "");
  EXPECT_NE(problem(one_run(times(1, {0, 5}), equal(1))), "");
  EXPECT_NE(problem(one_run(times(2, {0, 0}), equal(1))), "");
  EXPECT_NE(problem(one_run(times(3, {0, 5, zigzag(-5)}), equal(1))), "");
  EXPECT_NE(problem(one_run(times(1, {zigzag(kLastTimeMs + 1)}), equal(1))), "");
  EXPECT_NE(problem(one_run(times(2, {kLastTime, 1}), equal(1))), "");
  EXPECT_NE(problem(one_run(times(2, {0, std::uint64_t{1} << 63}), equal(1))), "");
  EXPECT_NE(problem(one_run(times(2, {0, ~std::uint64_t{1}}), equal(1))), "");
  EXPECT_NE(problem(one_run(times(3, {0, 1, zigzag(INT64_MAX)}), equal(1))), "");
  EXPECT_NE(problem(one_run(times(3, {0, 1, zigzag(INT64_MIN + 1)}), equal(1))), "");
}

TEST(HostileChunk, Values) {
  const Body two = times(2, {0, 1});
  EXPECT_NE(problem(one_run(two, Body())), "");
  EXPECT_NE(problem(one_run(two, Body().raw("\x03"))), "");
  EXPECT_NE(problem(one_run(two, Body().raw(std::string(8, '\0')))), "");
  EXPECT_NE(problem(one_run(two, decimal(16, 0, {0, 0}))), "");
  EXPECT_NE(problem(one_run(two, decimal(0, 3, {0, 0}))), "");
  EXPECT_NE(problem(one_run(two, decimal(0, 1, {0}))), "");
  EXPECT_NE(problem(one_run(two, decimal(0, 1, {0, 0, 0}))), "");
  EXPECT_NE(problem(one_run(two, decimal(0, 1, {kLargest, zigzag(1)}))), "");
  EXPECT_NE(problem(one_run(two, decimal(0, 1, {kLargest + 2, 0}))), "");
  EXPECT_NE(problem(one_run(two, decimal(0, 1, {kLargest, zigzag(INT64_MAX)}))), "");
}

TEST(HostileChunk, Exceptions) {
  const auto with = [](std::uint64_t count, const std::vector<std::uint64_t>& places) {
    Body values;
    values.raw(std::string{1, 0, 1}).number(count);
    for (const std::uint64_t place : places) {
      values.number(place);
      append_eight(values.bytes, bits_of(INFINITY));
    }
    values.number(0).number(0);
    return one_run(times(2, {0, 1}), values);
  };
  EXPECT_EQ(problem(with(2, {0, 0})), "");
  EXPECT_NE(problem(with(1, {2})), "");
  EXPECT_NE(problem(with(2, {1, 0})), "");
  EXPECT_NE(problem(with(2, {0, ~std::uint64_t{2}})), "");
  EXPECT_NE(problem(with(3, {0, 0, 0})), "");
  EXPECT_NE(problem(with(std::uint64_t{1} << 60, {0})), "");
}

TEST(HostileChunk, XorBits) {
  const Body two = times(2, {0, 1});
  const std::string first(8, '\1');
  EXPECT_EQ(problem(one_run(two, Body().raw("\x02" + first + std::string(1, '\0')))), "");
  EXPECT_NE(problem(one_run(two, Body().raw("\x02" + first))), "") << "no bits left";
  EXPECT_NE(problem(one_run(two, Body().raw("\x02" + first + "\x80"))), "") << "no window yet";
  EXPECT_NE(problem(one_run(two, Body().raw("\x02" + first + "\xff\xff"))), "")
      << "window too wide";
  EXPECT_NE(problem(one_run(two, Body().raw("\x02" + first + std::string(2, '\0')))), "")
      << "something follows";
}

TEST(HostileChunk, Runs) {
  EXPECT_NE(problem(Body()), "");
  EXPECT_NE(problem(Body().number(0)), "");
  EXPECT_NE(problem(Body().number(kMostRuns + 1)), "");
  EXPECT_NE(problem(one_run(times(1, {0}), equal(1)).raw("x")), "");
  EXPECT_NE(problem(Body().number(1).number(7).number(1)), "") << "its own times";
  EXPECT_NE(problem(Body().number(1).number(7).number(0).number(std::uint64_t{1} << 62)), "");
  EXPECT_NE(problem(Body().number(1).number(std::uint64_t{1} << 63).number(0)), "");
  Body twice = one_run(times(1, {0}), equal(1));
  twice.bytes[0] = 2;
  EXPECT_NE(problem(Body(twice).number(0).number(1).part(equal(1))), "") << "the same series again";
  EXPECT_EQ(problem(Body(twice).number(1).number(1).part(equal(1))), "");
  EXPECT_NE(problem(Body(twice).number(~std::uint64_t{0} >> 1).number(1).part(equal(1))), "");
}

TEST(HostileChunk, AFrameThatSaysItIsHuge) {
  std::string bytes = framed(std::string(100, 'x'), Packing::kPlain);
  EXPECT_FALSE(Chunk::open(bytes).ok());
  // A megabyte of zeros in a few bytes is unpacked, and is no chunk; more than the limit is not.
  EXPECT_FALSE(Chunk::open(framed(std::string(1 << 20, '\0'), Packing::kZstd)).ok());
  const auto chunk = Chunk::open(framed(std::string(kLargestBody + 1, '\0'), Packing::kZstd));
  ASSERT_FALSE(chunk.ok());
  EXPECT_EQ(chunk.error().message, "the body is too large");
}

}  // namespace
}  // namespace monitoring::chunk
