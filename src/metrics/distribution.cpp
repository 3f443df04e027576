#include "monitoring/metrics/distribution.hpp"

namespace monitoring::metrics {

std::ptrdiff_t Distribution::settle() {
  if (used_ == 0) return 0;
  const std::size_t before = sketch_.memory_bytes();
  sketch_.add(waiting_.data(), used_);
  moments_.add(waiting_.data(), used_);
  used_ = 0;
  return static_cast<std::ptrdiff_t>(sketch_.memory_bytes() - before);
}

std::ptrdiff_t Distribution::merge(const Moments& moments, const Sketch& sketch) {
  const std::size_t before = sketch_.memory_bytes();
  moments_.merge(moments);
  sketch_.merge(sketch);
  return static_cast<std::ptrdiff_t>(sketch_.memory_bytes() - before);
}

}  // namespace monitoring::metrics
