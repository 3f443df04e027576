#pragma once
// Samples that are no newer than what their series has: which are taken all the same.

#include <set>

#include "monitoring/series/ingestion.hpp"

namespace monitoring::series {

class Ingestion::LateCheck {
 public:
  LateCheck(pg::Spi& spi, Ingestion& ingestion) : spi_(spi), ingestion_(ingestion) {}
  /// Leaves in each series the points that are to be written.
  void apply();

 private:
  /// A stored sample for a time for which one comes.
  using Stored = std::map<std::pair<std::int64_t, std::int64_t>, double>;

  void read_batches();
  void read_chunks();
  void note(Incoming& series, std::int64_t time_ms, double value);
  void keep_points(Incoming& series);

  pg::Spi& spi_;
  Ingestion& ingestion_;
  std::map<std::int64_t, Incoming*> by_id_;
  std::int64_t earliest_ms_ = 0;
  std::int64_t latest_ms_ = 0;
  Stored stored_;
};

}  // namespace monitoring::series
