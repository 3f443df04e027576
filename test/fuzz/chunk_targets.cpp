// Chunks of samples: bytes of an enemy, and samples that must come back to the bit.

#include <cstring>
#include <string>
#include <vector>

#include "chunk/bits.hpp"
#include "chunk/frame.hpp"
#include "monitoring/chunk/batch.hpp"
#include "monitoring/chunk/chunk.hpp"
#include "target.hpp"

using namespace monitoring::chunk;
using monitoring::fuzz::require;

namespace {

void read_all(std::string_view bytes) {
  const auto chunk = Chunk::open(bytes);
  if (!chunk) return;
  for (std::size_t i = 0; i < chunk->runs(); ++i) {
    const auto run = chunk->decode(i);
    if (!run) continue;
    for (std::size_t at = 1; at < run->times_ms.size(); ++at) {
      require(run->times_ms[at - 1] < run->times_ms[at]);
    }
  }
}

}  // namespace

FUZZ_TARGET(chunk) {
  read_all(bytes);
  // Nobody guesses a check: the body alone is the better way in.
  read_all(framed(std::string(bytes), Packing::kPlain));
}

FUZZ_TARGET(chunk_batch) {
  (void)decode_batch(bytes);
  const auto samples = decode_batch(framed(std::string(bytes), Packing::kPlain));
  if (!samples) return;
  const auto again = encode_batch(*samples);
  require(again.ok());
  const auto decoded = decode_batch(*again);
  require(decoded.ok() && decoded->size() == samples->size());
  for (std::size_t i = 0; i < samples->size(); ++i) {
    require(bits_of((*decoded)[i].value) == bits_of((*samples)[i].value));
  }
}

FUZZ_TARGET(chunk_round_trip) {
  // Each sample: two bytes of distance, one of how the value is made, and eight for it.
  constexpr std::size_t kSample = 11;
  std::vector<SampleRun> runs(1);
  std::int64_t time_ms = 0;
  for (std::size_t at = 0; at + kSample <= bytes.size(); at += kSample) {
    const auto low = static_cast<std::uint8_t>(bytes[at]);
    const auto high = static_cast<std::uint8_t>(bytes[at + 1]);
    const auto how = static_cast<std::uint8_t>(bytes[at + 2]);
    const std::uint64_t number = read_eight(bytes.data() + at + 3);
    if (how % 16 == 15 && !runs.back().values.empty() && runs.size() < kMostRuns) {
      const std::uint64_t next = runs.back().series_id + 1 + number % 1000;
      runs.emplace_back();
      runs.back().series_id = next;
      time_ms = 0;
    }
    time_ms += 1 + low + high * 256;
    runs.back().times_ms.push_back(time_ms);
    static constexpr double kParts[] = {1, 10, 1000, 1e9};
    runs.back().values.push_back(how % 8 == 7 ? double_of(number)
                                              : static_cast<double>(number >> (how / 4 % 64)) /
                                                    kParts[how % 4]);
  }
  if (runs.back().values.empty()) return;
  const auto encoded = encode(runs);
  require(encoded.ok());
  const auto chunk = Chunk::open(*encoded);
  require(chunk.ok() && chunk->runs() == runs.size());
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const auto run = chunk->decode(i);
    require(run.ok() && run->times_ms == runs[i].times_ms && run->series_id == runs[i].series_id);
    for (std::size_t at = 0; at < run->values.size(); ++at) {
      require(bits_of(run->values[at]) == bits_of(runs[i].values[at]));
    }
  }
}
