#pragma once
// Batches: what one write brings of many series, few samples of each (src/chunk/FORMAT.md).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/base/result.hpp"

namespace monitoring::chunk {

constexpr std::size_t kMostBatchSamples = 16384;

struct Sample {
  std::uint64_t series_id = 0;
  std::int64_t time_ms = 0;
  double value = 0;
};

/// The samples have to rise by series and time. An error is a caller's mistake.
Result<std::string> encode_batch(const std::vector<Sample>& samples);
Result<std::vector<Sample>> decode_batch(std::string_view bytes);

}  // namespace monitoring::chunk
