#include "monitoring/chunk/chunk.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "chunk/bits.hpp"
#include "monitoring/base/varint.hpp"

namespace monitoring::chunk {
namespace {

constexpr std::uint64_t kStaleBits = 0x7ff0000000000002;

std::vector<std::uint64_t> all_bits(const std::vector<double>& values) {
  std::vector<std::uint64_t> bits;
  for (const double value : values) bits.push_back(bits_of(value));
  return bits;
}

SampleRun run_of(std::vector<double> values, std::uint64_t series_id = 1,
                 std::int64_t step_ms = 15000) {
  SampleRun run;
  run.series_id = series_id;
  for (std::size_t i = 0; i < values.size(); ++i) {
    run.times_ms.push_back(1700000000000 + static_cast<std::int64_t>(i) * step_ms);
  }
  run.values = std::move(values);
  return run;
}

void expect_round_trip(const std::vector<SampleRun>& runs, const EncoderOptions& options = {}) {
  const Result<std::string> bytes = encode(runs, options);
  ASSERT_TRUE(bytes.ok()) << bytes.error().message;
  const Result<Chunk> chunk = Chunk::open(*bytes);
  ASSERT_TRUE(chunk.ok()) << chunk.error().message;
  ASSERT_EQ(chunk->runs(), runs.size());
  for (std::size_t i = 0; i < runs.size(); ++i) {
    EXPECT_EQ(chunk->series_id(i), runs[i].series_id);
    EXPECT_EQ(chunk->samples(i), runs[i].values.size());
    const Result<SampleRun> run = chunk->decode(i);
    ASSERT_TRUE(run.ok()) << run.error().message;
    EXPECT_EQ(run->times_ms, runs[i].times_ms);
    EXPECT_EQ(all_bits(run->values), all_bits(runs[i].values));
  }
}

std::vector<double> special_values() {
  using Limits = std::numeric_limits<double>;
  return {0.0,
          -0.0,
          1,
          -1,
          0.1,
          0.30000000000000004,
          1e22,
          1e23,
          -1e300,
          Limits::infinity(),
          -Limits::infinity(),
          Limits::quiet_NaN(),
          double_of(kStaleBits),
          double_of(0xfff8000000000001),
          Limits::denorm_min(),
          Limits::min(),
          Limits::max(),
          Limits::lowest(),
          9007199254740991.0,
          9007199254740992.0,
          -9007199254740993.0};
}

TEST(Chunk, EverySpecialValueAloneAmongNumbersAndAfterEachOther) {
  for (const double special : special_values()) {
    SCOPED_TRACE(testing::Message() << std::hex << bits_of(special));
    expect_round_trip({run_of({special})});
    std::vector<double> values(100, 2.5);
    for (const std::size_t at :
         {std::size_t{0}, std::size_t{1}, std::size_t{50}, std::size_t{99}}) {
      values[at] = special;
    }
    expect_round_trip({run_of(values)});
    expect_round_trip({run_of(values)}, {Packing::kPlain, true});
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += static_cast<double>(i);
    values[7] = special;
    expect_round_trip({run_of(values)});
  }
  expect_round_trip({run_of(special_values())});
}

TEST(Chunk, RandomBitsComeBack) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 200; ++round) {
    std::vector<SampleRun> runs;
    const std::size_t count = 1 + random() % 9;
    for (std::size_t i = 0; i < count; ++i) {
      std::vector<double> values(1 + random() % 300);
      const unsigned kind = random() % 4;
      for (double& value : values) {
        value = kind == 0   ? double_of(random())
                : kind == 1 ? static_cast<double>(random() % 1000)
                : kind == 2 ? static_cast<double>(static_cast<std::int64_t>(random())) / 1e3
                            : static_cast<double>(random() % 100000) / 100;
      }
      SampleRun run = run_of(values, i * 3 + (i == 0 ? 0 : random() % 3));
      for (std::size_t at = 1; round % 2 == 0 && at < run.times_ms.size(); ++at) {
        run.times_ms[at] = run.times_ms[at - 1] + 1 + static_cast<std::int64_t>(random() % 100000);
      }
      runs.push_back(std::move(run));
    }
    expect_round_trip(runs);
    expect_round_trip(runs, {Packing::kPlain, round % 3 == 0});
  }
}

TEST(Chunk, TheLimitsOfTimesAndIds) {
  SampleRun run;
  run.series_id = (std::uint64_t{1} << 63) - 1;
  run.times_ms = {kFirstTimeMs, kFirstTimeMs + 1, 0, kLastTimeMs};
  run.values = {1, 2, 3, 4};
  expect_round_trip({run});
  SampleRun first = run_of({1}, 0);
  expect_round_trip({first, run});
}

TEST(Chunk, AnIteratorGivesTheSameInSteps) {
  std::vector<double> values;
  for (int i = 0; i < 1000; ++i) values.push_back(i % 7 == 0 ? double_of(kStaleBits) : i / 8.0);
  for (const bool xor_only : {false, true}) {
    const SampleRun run = run_of(values);
    const auto bytes = encode({run}, {Packing::kZstd, xor_only});
    const auto chunk = Chunk::open(*bytes);
    ASSERT_TRUE(chunk.ok());
    for (const std::size_t step : {1U, 3U, 128U, 999U, 5000U}) {
      auto samples = chunk->iterate(0);
      ASSERT_TRUE(samples.ok());
      SampleRun got;
      std::vector<std::int64_t> times_ms(step);
      std::vector<double> some(step);
      while (true) {
        const auto count = samples->next(times_ms.data(), some.data(), step);
        ASSERT_TRUE(count.ok()) << count.error().message;
        if (*count == 0) break;
        got.times_ms.insert(got.times_ms.end(), times_ms.begin(),
                            times_ms.begin() + static_cast<std::ptrdiff_t>(*count));
        got.values.insert(got.values.end(), some.begin(),
                          some.begin() + static_cast<std::ptrdiff_t>(*count));
      }
      EXPECT_EQ(got.times_ms, run.times_ms);
      EXPECT_EQ(all_bits(got.values), all_bits(run.values));
    }
  }
}

TEST(Chunk, RunsOfOneScrapeShareTheirTimes) {
  std::vector<SampleRun> shared, apart;
  std::mt19937_64 random(1);
  for (std::uint64_t id = 1; id <= 8; ++id) {
    shared.push_back(run_of(std::vector<double>(480, static_cast<double>(id)), id));
    apart.push_back(shared.back());
  }
  for (std::size_t i = 0; i < 480; ++i) {
    const auto jitter = static_cast<std::int64_t>(random() % 50);
    for (SampleRun& run : shared) run.times_ms[i] += jitter;
    for (SampleRun& run : apart) run.times_ms[i] += static_cast<std::int64_t>(random() % 50);
  }
  expect_round_trip(shared);
  expect_round_trip(apart);
  EXPECT_LT(encode(shared)->size() * 4, encode(apart)->size());
}

TEST(Chunk, ACounterAndAMarkerStaySmall) {
  std::mt19937_64 random(1);
  std::vector<double> values;
  double total = 1e6;
  for (int i = 0; i < 480; ++i) values.push_back(total += static_cast<double>(random() % 60));
  values.back() = double_of(kStaleBits);
  const auto decimal = encode({run_of(values)});
  const auto by_xor = encode({run_of(values)}, {Packing::kZstd, true});
  EXPECT_LT(decimal->size(), 480U);
  EXPECT_LT(decimal->size() * 3, by_xor->size() * 2);
}

TEST(Chunk, TheEncoderRefusesWhatIsNoChunk) {
  EXPECT_FALSE(encode({}).ok());
  EXPECT_FALSE(encode({SampleRun{}}).ok());
  EXPECT_FALSE(encode({run_of({1}, 2), run_of({1}, 2)}).ok());
  EXPECT_FALSE(encode({run_of({1}, 2), run_of({1}, 1)}).ok());
  EXPECT_FALSE(encode({run_of({1, 2}, 1, 0)}).ok());
  EXPECT_FALSE(encode({run_of({1, 2}, 1, -1)}).ok());
  EXPECT_FALSE(encode({run_of(std::vector<double>(kMostSamples + 1))}).ok());
  EXPECT_FALSE(encode({run_of({1}, std::uint64_t{1} << 63)}).ok());
  EXPECT_FALSE(encode(std::vector<SampleRun>(kMostRuns + 1, run_of({1}))).ok());
  SampleRun late = run_of({1});
  late.times_ms[0] = kLastTimeMs + 1;
  EXPECT_FALSE(encode({late}).ok());
  SampleRun uneven = run_of({1, 2});
  uneven.values.pop_back();
  EXPECT_FALSE(encode({uneven}).ok());
}

TEST(Chunk, EveryDamagedByteIsAnError) {
  std::vector<SampleRun> runs;
  for (std::uint64_t id = 1; id <= 3; ++id) {
    std::vector<double> values;
    for (int i = 0; i < 60; ++i) values.push_back(i * static_cast<double>(id) / 4);
    runs.push_back(run_of(values, id));
  }
  for (const Packing packing : {Packing::kPlain, Packing::kZstd}) {
    const std::string bytes = *encode(runs, {packing, false});
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      for (const int change : {1, 0x80, 0xff}) {
        std::string damaged = bytes;
        damaged[i] = static_cast<char>(damaged[i] ^ change);
        EXPECT_FALSE(Chunk::open(damaged).ok()) << "byte " << i;
      }
      EXPECT_FALSE(Chunk::open(bytes.substr(0, i)).ok()) << "cut at " << i;
    }
    EXPECT_FALSE(Chunk::open(bytes + '\0').ok());
  }
}

}  // namespace
}  // namespace monitoring::chunk
