#include "monitoring/notify/tempo.hpp"

#include <algorithm>

namespace monitoring::notify {

namespace {

constexpr double kAheadUs = 100'000;
constexpr double kAheadBytes = 4 << 20;
constexpr double kMostRows = 512;
constexpr std::uint32_t kRowsPerRequest = 2;

/// Follows a rise at once, because that is when leases begin to age, and a fall slowly.
double followed(double average, double value) {
  const double weight = value > average ? 0.5 : 0.125;
  return average + weight * (value - average);
}

}  // namespace

void Tempo::note(Duration took, std::size_t payload_bytes) {
  const auto took_us = static_cast<double>(std::max<Duration::rep>(took.count(), 1));
  const auto bytes = static_cast<double>(std::max<std::size_t>(payload_bytes, 1));
  const bool first = took_us_ == 0;
  took_us_ = first ? took_us : followed(took_us_, took_us);
  payload_bytes_ = first ? bytes : followed(payload_bytes_, bytes);
}

std::uint32_t Tempo::rows_to_hold(std::uint32_t concurrency) const {
  const std::uint32_t least = kRowsPerRequest * concurrency;
  if (took_us_ == 0) return least;
  const double rows =
      std::min({concurrency * kAheadUs / took_us_, kAheadBytes / payload_bytes_, kMostRows});
  return std::max(least, static_cast<std::uint32_t>(rows));
}

Duration Tempo::time_for(std::uint32_t rows, std::uint32_t concurrency) const {
  return Duration(static_cast<Duration::rep>(took_us_ * rows / concurrency));
}

}  // namespace monitoring::notify
