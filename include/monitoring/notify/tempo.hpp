#pragma once
// How quickly a receiver takes what it is sent, and so how much is to be leased for it at a time:
// much for one that answers at once, so that transactions are few, and little for a slow one, whose
// notifications then wait where newer ones can supersede them.

#include <cstddef>
#include <cstdint>

#include "monitoring/base/clock.hpp"

namespace monitoring::notify {

class Tempo {
 public:
  /// A request has ended after this time; its payload had so many bytes.
  void note(Duration took, std::size_t payload_bytes);

  /// Rows to hold at a time, with so many requests running side by side: what is sent in a tenth of
  /// a second or fills 4 MB, at most 512, and always enough that each request has a successor.
  std::uint32_t rows_to_hold(std::uint32_t concurrency) const;

  /// How long so many rows would take.
  Duration time_for(std::uint32_t rows, std::uint32_t concurrency) const;

 private:
  /// Moving averages; 0 before the first request.
  double took_us_ = 0;
  double payload_bytes_ = 0;
};

}  // namespace monitoring::notify
