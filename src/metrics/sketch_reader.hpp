#pragma once
// The one reader of serialized sketches (src/metrics/FORMAT.md), for all that make something of
// them.

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "metrics/sketch_mapping.hpp"
#include "monitoring/base/result.hpp"
#include "monitoring/base/varint.hpp"
#include "monitoring/metrics/sketch.hpp"

namespace monitoring::metrics {

inline constexpr std::uint64_t kSketchVersion = 1;
inline constexpr std::uint32_t kMaxSketchBuckets = 2 * Sketch::kMaxBucketsPerSign + 1;

/// What has been read of a sketch.
struct ReadBuckets {
  std::uint64_t total = 0;    // of all counts
  std::int32_t last_key = 0;  // 0 also if there is no bucket
};

/// The same, and what is wrong with the bytes before the reader's position, or nullptr.
struct SketchReading {
  ReadBuckets buckets;
  VarintReader reader;
  const char* problem;
};

/// Reads what follows the number of buckets. All by value: it goes on in registers.
template <class Visit>
SketchReading read_buckets(VarintReader reader, const std::uint64_t buckets, Visit&& visit) {
  ReadBuckets read;
  const auto stop = [&](const char* problem) { return SketchReading{read, reader, problem}; };
  std::int64_t key = 0;
  std::uint64_t negative = 0;
  std::uint64_t up_to_zero = 0;
  std::uint64_t left = buckets;
  const auto add = [&](std::int64_t step, std::uint64_t count) {
    key += step;
    read.total += count;
    visit(static_cast<std::int32_t>(key), count);
  };
  while (left > 0) {
    // Most buckets lie close to the one before and have a small count: such ones go four at a time.
    if (key > 0 && left >= 4 && reader.has_eight_short()) {
      const std::uint8_t* const four = reader.take_eight();
      add(four[0], four[1]);
      add(four[2], four[3]);
      add(four[4], four[5]);
      add(four[6], four[7]);
      left -= 4;
    } else {
      const std::uint64_t step = reader.next();
      const bool is_first = left == buckets;
      if (step > 4 * std::uint64_t{kMaxKey}) return stop("sketch has a bad key");
      if (step == 0 && !is_first) return stop("sketch has the same key twice");
      const std::uint64_t count = reader.next();
      if (count == 0 || count > Sketch::kMaxCount) return stop("sketch has a bad count");
      add(is_first ? unzigzag(step) : static_cast<std::int64_t>(step), count);
      up_to_zero += key <= 0 ? 1 : 0;
      negative += key < 0 ? 1 : 0;
      --left;
    }
    if (key < -kMaxKey || key > kMaxKey) return stop("sketch has a key out of range");
    if (read.total > Sketch::kMaxCount) return stop("sketch has a bad count");
  }
  read.last_key = static_cast<std::int32_t>(key);
  if (std::max(negative, buckets - up_to_zero) > Sketch::kMaxBucketsPerSign) {
    return stop("sketch has too many buckets");
  }
  return stop(reader.at_end() ? nullptr : "sketch has bytes after its end");
}

/// Calls begin(n) with the number of buckets that there may be at most, and visit(key, count) for
/// each of them, keys ascending. Refuses what the format does not allow; some may have been visited
/// by then.
template <class Begin, class Visit>
Result<ReadBuckets> read_sketch(std::string_view bytes, Begin&& begin, Visit&& visit) {
  VarintReader reader(bytes);
  if (reader.next() != kSketchVersion) return Error::at(0, "sketch has an unknown version");
  const std::uint64_t buckets = reader.next();
  if (buckets > kMaxSketchBuckets) {
    return Error::at(reader.position(), "sketch has a bad number of buckets");
  }
  // A bucket takes two bytes at least.
  begin(static_cast<std::uint32_t>(std::min<std::uint64_t>(buckets, bytes.size() / 2)));
  const SketchReading reading = read_buckets(reader, buckets, visit);
  if (reading.problem == nullptr) return reading.buckets;
  return Error::at(reading.reader.position(), reading.problem);
}

}  // namespace monitoring::metrics
