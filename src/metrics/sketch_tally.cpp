#include "metrics/sketch_tally.hpp"

#include <algorithm>
#include <cmath>

#include "metrics/sketch_ranks.hpp"
#include "metrics/sketch_reader.hpp"

namespace monitoring::metrics {

namespace {

/// Below a quarter of the range begins what is smaller than the first key.
constexpr std::int32_t kRoomBelow = Sketch::kMaxBucketsPerSign / 4;
/// Larger counts, or more of them together, are for a Sketch.
constexpr std::uint64_t kLargestCount = std::uint64_t{1} << 19;
constexpr std::uint64_t kLargestTotal = std::uint64_t{1} << 31;
static_assert(kLargestTotal + kLargestCount <= UINT32_MAX, "a sketch has a key but once");

}  // namespace

inline void SketchTally::add_key(std::int32_t key, std::uint64_t count) {
  const auto slot = static_cast<std::uint32_t>(key - base_);
  if (slot >= kWidth || count > kLargestCount) {
    add_outside(key, count);
    return;
  }
  counts_[slot] += static_cast<std::uint32_t>(count);
}

std::optional<Error> SketchTally::add(std::string_view sketch) {
  const Result<ReadBuckets> read = read_sketch(
      sketch, [](std::uint32_t) {},
      [this](std::int32_t key, std::uint64_t count) { add_key(key, count); });
  if (!read) return read.error();
  total_ += read->total;
  highest_ = std::max(highest_, read->last_key);
  if (!is_sketch_ && total_ > kLargestTotal) become_sketch();
  if (is_sketch_) total_ = sketch_.count();
  return std::nullopt;
}

void SketchTally::add_outside(std::int32_t key, std::uint64_t count) {
  if (!is_sketch_ && count <= kLargestCount) {
    if (key == 0) {
      zeros_ += count;
      return;
    }
    if (base_ == kNowhere) {
      constexpr auto kLast = static_cast<std::int32_t>(kWidth) - 1;
      base_ = key > 0 ? std::max(key - kRoomBelow, 1) : std::min(key - kRoomBelow, -1 - kLast);
      counts_[key - base_] += static_cast<std::uint32_t>(count);
      return;
    }
  }
  become_sketch();
  sketch_.add_key(key, count);
}

void SketchTally::become_sketch() {
  if (is_sketch_) return;
  is_sketch_ = true;
  if (zeros_ > 0) sketch_.add_key(0, zeros_);
  for (std::uint32_t slot = 0; slot < kWidth; ++slot) {
    if (counts_[slot] > 0) sketch_.add_key(base_ + static_cast<std::int32_t>(slot), counts_[slot]);
  }
  base_ = kNowhere;
}

double SketchTally::quantile(double q) const {
  if (empty() || std::isnan(q)) return std::numeric_limits<double>::quiet_NaN();
  if (is_sketch_) return sketch_.quantile(q);
  const QuantileRanks ranks(q, total_);
  return ranks.between(key_at(ranks.below), key_at(ranks.above));
}

/// From above, where the quantiles lie that are asked for.
std::int32_t SketchTally::key_at(std::uint64_t rank) const {
  std::uint64_t above = total_ - 1 - rank;
  if (base_ < 0) {
    if (above < zeros_) return 0;
    above -= zeros_;
  }
  const std::int32_t last = base_ + static_cast<std::int32_t>(kWidth) - 1;
  for (std::int32_t key = std::min(highest_, last); key >= base_; --key) {
    const std::uint32_t count = counts_[key - base_];
    if (above < count) return key;
    above -= count;
  }
  return 0;
}

}  // namespace monitoring::metrics
