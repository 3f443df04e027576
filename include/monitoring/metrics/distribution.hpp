#pragma once
// Distribution: the moments and the sketch of one stream of numbers, at little cost a number.

#include <array>
#include <cmath>
#include <cstddef>

#include "monitoring/metrics/moments.hpp"
#include "monitoring/metrics/sketch.hpp"

namespace monitoring::metrics {

/// Values wait until there are a few of them: so the memory of a stream among thousands is visited
/// once for many values, and the divisions of a running variance are shared by them.
class Distribution {
 public:
  /// Returns by how many bytes its memory outside of this object grew.
  std::ptrdiff_t add(double value) {
    if (!std::isfinite(value)) {
      ++moments_.nonfinite_count;
      return 0;
    }
    waiting_[used_] = value;
    return ++used_ == waiting_.size() ? settle() : 0;
  }

  /// Adds what another one has seen. Returns the growth, as add() does.
  std::ptrdiff_t merge(const Moments& moments, const Sketch& sketch);

  const Moments& moments() {
    settle();
    return moments_;
  }
  const Sketch& sketch() {
    settle();
    return sketch_;
  }

 private:
  std::ptrdiff_t settle();

  // First, beside what the owner has in front of it: most calls touch nothing else.
  std::size_t used_ = 0;
  std::array<double, 13> waiting_;
  Moments moments_;
  Sketch sketch_;
};

}  // namespace monitoring::metrics
