#pragma once
// SketchPile: serialized sketches and single values, of which a quantile is asked once, at the end.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "monitoring/base/result.hpp"
#include "monitoring/metrics/sketch.hpp"

namespace monitoring::metrics {

/// Keeps a few sketches as the bytes they are, which quantile() reads in one go; merges them when
/// they become many. Not thread-safe. Allocation failure throws std::bad_alloc.
class SketchPile {
 public:
  /// Refuses, now or at the end, what Sketch::parse refuses.
  std::optional<Error> add(std::string_view sketch);
  /// A finite value.
  void add(double value) { merged_.add(value); }

  /// As Sketch::quantile of all of it.
  Result<double> quantile(double q) const;

 private:
  std::optional<Error> merge_kept();

  Sketch merged_;
  std::string kept_;  // each sketch behind its length
  std::uint32_t kept_count_ = 0;
};

}  // namespace monitoring::metrics
