#pragma once
// The one reader of serialized sketches (src/metrics/FORMAT.md), for all that make something of
// them.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include "metrics/sketch_mapping.hpp"
#include "metrics/varint.hpp"
#include "monitoring/base/result.hpp"
#include "monitoring/metrics/sketch.hpp"

namespace monitoring::metrics {

inline constexpr std::uint8_t kSketchVersion = 1;
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
  if (bytes.empty() || static_cast<std::uint8_t>(bytes[0]) != kSketchVersion) {
    return Error::at(0, "sketch has an unknown version");
  }
  VarintReader reader(bytes, 1);
  const auto damaged = [&reader](const char* what) { return Error::at(reader.position(), what); };

  const std::optional<std::uint64_t> buckets = reader.next();
  if (!buckets || *buckets > kMaxSketchBuckets)
    return damaged("sketch has a bad number of buckets");
  // A bucket takes two bytes at least.
  begin(static_cast<std::uint32_t>(std::min<std::uint64_t>(*buckets, bytes.size() / 2)));

  ReadBuckets read;
  std::uint32_t negative = 0;
  std::uint32_t positive = 0;
  for (std::uint64_t i = 0; i < *buckets; ++i) {
    const std::optional<std::uint64_t> step = reader.next();
    if (!step || *step > 4 * std::uint64_t{kMaxKey}) return damaged("sketch has a bad key");
    if (i > 0 && *step == 0) return damaged("sketch has the same key twice");
    const std::int64_t key =
        i == 0 ? unzigzag(*step) : read.last_key + static_cast<std::int64_t>(*step);
    if (key < -kMaxKey || key > kMaxKey) return damaged("sketch has a key out of range");
    read.last_key = static_cast<std::int32_t>(key);
    negative += key < 0 ? 1 : 0;
    positive += key > 0 ? 1 : 0;
    if (std::max(negative, positive) > Sketch::kMaxBucketsPerSign) {
      return damaged("sketch has too many buckets");
    }

    const std::optional<std::uint64_t> count = reader.next();
    if (!count || *count == 0 || *count > Sketch::kMaxCount - read.total) {
      return damaged("sketch has a bad count");
    }
    read.total += *count;
    visit(read.last_key, *count);
  }
  if (!reader.at_end()) return damaged("sketch has bytes after its end");
  return read;
}

}  // namespace monitoring::metrics
