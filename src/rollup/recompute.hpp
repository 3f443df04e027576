#pragma once
// Hours that a pass computes anew from all their raw rows, and what it leaves alone in them.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "monitoring/measurements/progress.hpp"
#include "monitoring/pg/spi.hpp"

namespace monitoring::rollup {

/// Metrics by hour: those that an hour keeps as they are while the others are computed anew.
using KeptMetrics = std::map<std::int64_t, std::set<std::string>>;

class Recompute {
 public:
  void add(std::int64_t hour) { hours_.insert(hour); }
  bool empty() const { return hours_.empty(); }
  const std::set<std::int64_t>& hours() const { return hours_; }

  /// Of these hours, metrics of which raw rows were purged keep what was rolled up of them.
  void keep_purged(pg::Spi& spi, const std::vector<std::int64_t>& hours);
  const KeptMetrics& kept() const { return kept_; }
  const std::set<std::string>& kept(std::int64_t hour) const;

 private:
  std::set<std::int64_t> hours_;
  KeptMetrics kept_;
};

bool has_corrections(pg::Spi& spi);

/// Takes the notes of rollup_corrections: hours whose rows were updated, or deleted while the hour
/// was open. What cannot be computed again, with its day and week, stays as it is. seen: by the
/// last pass; a deleted row that it had seen is history, and its metric is kept in that hour.
Recompute take_corrections(pg::Spi& spi, const measurements::Progress& seen);

/// Whether the hour's raw rows are all there, and the roll-ups that its day and week are made of.
bool is_complete(pg::Spi& spi, std::int64_t hour);

/// From now on nothing computes the hour of this metric anew but refresh_rollups().
void note_purged(pg::Spi& spi, std::int64_t hour, const std::string& metric);
void forget_purged(pg::Spi& spi, Instant from, Instant to);

/// Removes the state and the published rows of hours.
void forget_hours(pg::Spi& spi, const std::vector<Instant>& hours);
void forget_all_but(pg::Spi& spi, Instant hour, const std::set<std::string>& metrics);

/// Hours in ascending order, as [start, end) of those that follow each other.
std::vector<std::pair<std::int64_t, std::int64_t>> runs_of(const std::vector<std::int64_t>& hours);

}  // namespace monitoring::rollup
