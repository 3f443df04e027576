// Chunks of samples: bytes and nanoseconds a sample of each way to encode, over eight counters of
// one scrape, two hours at 15 s, whose increments are random. Times are those of a sample, too.

#include <benchmark/benchmark.h>

#include <vector>

#include "monitoring/chunk/chunk.hpp"

namespace monitoring::chunk {
namespace {

constexpr std::size_t kSeries = 8;
constexpr std::size_t kCount = 480;

std::vector<SampleRun> counters() {
  std::vector<SampleRun> runs(kSeries);
  std::uint64_t state = 1;
  for (std::size_t i = 0; i < kSeries; ++i) {
    runs[i].series_id = i + 1;
    double total = 1000.0 * static_cast<double>(i);
    for (std::size_t at = 0; at < kCount; ++at) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      total += static_cast<double>(15 + (state >> 33) % 31);
      runs[i].times_ms.push_back(1700000000000 + static_cast<std::int64_t>(at) * 15000);
      runs[i].values.push_back(total);
    }
  }
  return runs;
}

EncoderOptions options_of(const benchmark::State& state) {
  return {state.range(1) != 0 ? Packing::kZstd : Packing::kPlain, state.range(0) != 0};
}

void count_samples(benchmark::State& state, std::size_t bytes) {
  constexpr double kSamples = kSeries * kCount;
  state.counters["bytes/sample"] = static_cast<double>(bytes) / kSamples;
  state.counters["time/sample"] = benchmark::Counter(
      kSamples, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void chunk_encode(benchmark::State& state) {
  const std::vector<SampleRun> runs = counters();
  std::size_t bytes = 0;
  for (auto _ : state) bytes = encode(runs, options_of(state))->size();
  count_samples(state, bytes);
}

void chunk_decode(benchmark::State& state) {
  const std::string bytes = *encode(counters(), options_of(state));
  std::vector<std::int64_t> times_ms(kCount);
  std::vector<double> values(kCount);
  for (auto _ : state) {
    const auto chunk = Chunk::open(bytes);
    for (std::size_t i = 0; i < chunk->runs(); ++i) {
      auto samples = chunk->iterate(i);
      benchmark::DoNotOptimize(*samples->next(times_ms.data(), values.data(), kCount));
    }
  }
  count_samples(state, bytes.size());
}

BENCHMARK(chunk_encode)->ArgNames({"xor", "zstd"})->ArgsProduct({{0, 1}, {0, 1}});
BENCHMARK(chunk_decode)->ArgNames({"xor", "zstd"})->ArgsProduct({{0, 1}, {0, 1}});

}  // namespace
}  // namespace monitoring::chunk
