#pragma once
// SketchTally: quantiles of what many serialized sketches have seen, without a Sketch of each.

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "monitoring/base/result.hpp"
#include "monitoring/metrics/sketch.hpp"

namespace monitoring::metrics {

/// Holds what a Sketch would into which all of them are merged. The counts of a range of keys lie
/// side by side, so that a bucket is added as soon as it is read; what does not fit there makes it
/// a Sketch after all. 8 kB. Not thread-safe. Allocation failure throws std::bad_alloc.
class SketchTally {
 public:
  /// Adds a serialized sketch. Refuses what Sketch::parse refuses, with the same error, and is of
  /// no use after that.
  std::optional<Error> add(std::string_view sketch);

  /// As Sketch::quantile.
  double quantile(double q) const;
  bool empty() const { return total_ == 0; }

 private:
  /// As many keys of one sign as a Sketch keeps: none of them are ever joined.
  static constexpr std::uint32_t kWidth = Sketch::kMaxBucketsPerSign;
  static constexpr std::int32_t kNowhere = std::numeric_limits<std::int32_t>::max() / 2;

  void add_key(std::int32_t key, std::uint64_t count);
  void add_outside(std::int32_t key, std::uint64_t count);
  void become_sketch();
  std::int32_t key_at(std::uint64_t rank) const;

  std::uint64_t total_ = 0;
  std::uint64_t zeros_ = 0;
  std::int32_t base_ = kNowhere;  // the range has the sign of its first key
  std::int32_t highest_ = std::numeric_limits<std::int32_t>::min();  // no key above it has a count
  bool is_sketch_ = false;
  Sketch sketch_;
  std::uint32_t counts_[kWidth] = {};  // of the keys base_, base_ + 1, ...
};

}  // namespace monitoring::metrics
