#include "monitoring/chunk/batch.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "chunk/bits.hpp"
#include "chunk/frame.hpp"
#include "monitoring/base/varint.hpp"
#include "monitoring/chunk/chunk.hpp"

namespace monitoring::chunk {
namespace {

void expect_round_trip(const std::vector<Sample>& samples) {
  const auto bytes = encode_batch(samples);
  ASSERT_TRUE(bytes.ok()) << bytes.error().message;
  const auto again = decode_batch(*bytes);
  ASSERT_TRUE(again.ok()) << again.error().message;
  ASSERT_EQ(again->size(), samples.size());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    EXPECT_EQ((*again)[i].series_id, samples[i].series_id);
    EXPECT_EQ((*again)[i].time_ms, samples[i].time_ms);
    EXPECT_EQ(bits_of((*again)[i].value), bits_of(samples[i].value));
  }
}

TEST(Batch, ValuesComeBackToTheBit) {
  using Limits = std::numeric_limits<double>;
  std::vector<Sample> samples;
  std::uint64_t id = 0;
  for (const double value :
       {0.0, -0.0, 1.0, -1.5, 0.1, 1e15, 1e16, 1e300, Limits::infinity(), -Limits::infinity(),
        Limits::quiet_NaN(), Limits::denorm_min(), double_of(0x7ff0000000000002),
        9007199254740991.0, 9007199254740993.0}) {
    samples.push_back({id += 3, 1700000000000, value});
  }
  expect_round_trip(samples);
  expect_round_trip({{0, kFirstTimeMs, 1}});
  expect_round_trip({{0, kLastTimeMs, 1}, {(std::uint64_t{1} << 63) - 1, kFirstTimeMs, 2}});
}

TEST(Batch, RandomOnesComeBack) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 100; ++round) {
    std::vector<Sample> samples;
    Sample sample{random() % 100, 0, 0};
    const std::size_t count = 1 + random() % 500;
    for (std::size_t i = 0; i < count; ++i) {
      if (random() % 3 > 0) sample = {sample.series_id + 1 + random() % 50, 1000, 0};
      sample.time_ms += 1 + static_cast<std::int64_t>(random() % 20000);
      sample.value =
          random() % 4 == 0 ? double_of(random()) : static_cast<double>(random() % 1000) / 8;
      samples.push_back(sample);
    }
    expect_round_trip(samples);
  }
}

TEST(Batch, TheEncoderRefusesWhatIsNoBatch) {
  EXPECT_FALSE(encode_batch({}).ok());
  EXPECT_FALSE(encode_batch({{1, 5, 0}, {1, 5, 0}}).ok());
  EXPECT_FALSE(encode_batch({{1, 5, 0}, {1, 4, 0}}).ok());
  EXPECT_FALSE(encode_batch({{2, 5, 0}, {1, 6, 0}}).ok());
  EXPECT_FALSE(encode_batch({{1, kLastTimeMs + 1, 0}}).ok());
  EXPECT_FALSE(encode_batch({{std::uint64_t{1} << 63, 0, 0}}).ok());
  EXPECT_FALSE(encode_batch(std::vector<Sample>(kMostBatchSamples + 1)).ok());
}

TEST(Batch, EveryDamagedByteIsAnError) {
  std::vector<Sample> samples;
  for (std::uint64_t id = 1; id <= 50; ++id) {
    samples.push_back({id, 1700000000000, static_cast<double>(id) / 4});
  }
  const std::string bytes = *encode_batch(samples);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    EXPECT_FALSE(decode_batch(damaged).ok()) << "byte " << i;
    EXPECT_FALSE(decode_batch(bytes.substr(0, i)).ok()) << "cut at " << i;
  }
}

TEST(Batch, HostileBodiesWithARightCheck) {
  const auto is_read = [](const std::vector<std::uint64_t>& numbers) {
    std::string body;
    for (const std::uint64_t number : numbers) append_varint(body, number);
    return decode_batch(framed(body, Packing::kPlain)).ok();
  };
  EXPECT_TRUE(is_read({1, 7, 0, 0, 2}));
  EXPECT_FALSE(is_read({}));
  EXPECT_FALSE(is_read({0}));
  EXPECT_FALSE(is_read({2, 7, 0, 0, 2}));
  EXPECT_FALSE(is_read({1, 7, 0, 17, 2})) << "an unknown kind";
  EXPECT_FALSE(is_read({1, 7, 0, 16, 2})) << "no eight bytes";
  EXPECT_FALSE(is_read({1, 7, 0, 0, 2, 2})) << "something follows";
  EXPECT_FALSE(is_read({1, std::uint64_t{1} << 63, 0, 0, 2}));
  EXPECT_FALSE(is_read({1, 7, ~std::uint64_t{1}, 0, 2}));
  EXPECT_FALSE(is_read({1, 7, 0, 0, ~std::uint64_t{1}})) << "too large a mantissa";
  EXPECT_FALSE(is_read({2, 7, 0, 0, 0, 0, 0, 2, 2})) << "the same sample twice";
  EXPECT_FALSE(is_read({std::uint64_t{1} << 62, 7, 0, 0, 2}));
}

}  // namespace
}  // namespace monitoring::chunk
