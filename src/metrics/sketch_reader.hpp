#pragma once
// The one reader of serialized sketches (src/metrics/FORMAT.md), for all that make something of
// them.

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "metrics/sketch_mapping.hpp"
#include "metrics/varint.hpp"
#include "monitoring/base/result.hpp"
#include "monitoring/metrics/sketch.hpp"

namespace monitoring::metrics {

inline constexpr std::uint64_t kSketchVersion = 1;
inline constexpr std::uint32_t kMaxSketchBuckets = 2 * Sketch::kMaxBucketsPerSign + 1;

/// What has been read of a sketch.
struct ReadBuckets {
  std::uint64_t total = 0;    // of all counts
  std::int32_t last_key = 0;  // 0 also if there is no bucket
};

/// Calls begin(n) with the number of buckets that there may be at most, and visit(key, count) for
/// each of them, keys ascending. Refuses what the format does not allow; some may have been visited
/// by then.
template <class Begin, class Visit>
Result<ReadBuckets> read_sketch(std::string_view bytes, Begin&& begin, Visit&& visit) {
  VarintReader reader(bytes);
  const auto damaged = [&reader](const char* what) { return Error::at(reader.position(), what); };
  if (reader.next() != kSketchVersion) return Error::at(0, "sketch has an unknown version");

  const std::uint64_t buckets = reader.next();
  if (buckets > kMaxSketchBuckets) return damaged("sketch has a bad number of buckets");
  // A bucket takes two bytes at least.
  begin(static_cast<std::uint32_t>(std::min<std::uint64_t>(buckets, bytes.size() / 2)));

  ReadBuckets read;
  std::uint64_t negative = 0;
  std::uint64_t up_to_zero = 0;
  for (std::uint64_t i = 0; i < buckets; ++i) {
    const std::uint64_t step = reader.next();
    if (step > 4 * std::uint64_t{kMaxKey}) return damaged("sketch has a bad key");
    if (step == 0 && i > 0) return damaged("sketch has the same key twice");
    const std::int64_t key =
        i == 0 ? unzigzag(step) : read.last_key + static_cast<std::int64_t>(step);
    if (key < -kMaxKey || key > kMaxKey) return damaged("sketch has a key out of range");
    const std::uint64_t count = reader.next();
    if (count == 0 || count > Sketch::kMaxCount - read.total) {
      return damaged("sketch has a bad count");
    }
    read.last_key = static_cast<std::int32_t>(key);
    read.total += count;
    if (key <= 0) {
      ++up_to_zero;
      negative += key < 0 ? 1 : 0;
    }
    visit(read.last_key, count);
  }
  if (std::max(negative, buckets - up_to_zero) > Sketch::kMaxBucketsPerSign) {
    return damaged("sketch has too many buckets");
  }
  if (!reader.at_end()) return damaged("sketch has bytes after its end");
  return read;
}

}  // namespace monitoring::metrics
