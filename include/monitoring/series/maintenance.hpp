#pragma once
// What moves and removes samples: one at a time, writers are never waited for.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <cstdint>
#include <map>
#include <vector>

#include "monitoring/base/cancel.hpp"
#include "monitoring/promql/matcher.hpp"

namespace monitoring::series {

/// Puts batches that are due at this time (`at_once`: all) into chunks, up to two million samples.
/// Returns how many it moved; 0: nothing is due, or somebody else is at it.
std::int64_t compact_samples(pg::Spi& spi, Instant now, bool at_once);

/// What a series has in batches.
struct Batched {
  Instant first_at{};
  Instant last_at{};
  std::int64_t count = 0;
};
/// By series, on the active snapshot. Batches that are damaged are left out.
std::map<std::int64_t, Batched> batched_samples(pg::Spi& spi);

/// Removes chunks and batches that ended before this, then series and labels that nothing has any
/// more. Returns the number of samples.
std::int64_t remove_old_samples(pg::Spi& spi, Instant before);

/// Deletes the samples of the selected series from `start` to `end`, both included.
std::int64_t delete_samples(pg::Spi& spi, const std::vector<promql::Matcher>& matchers,
                            Instant start, Instant end, CancelToken& cancel);

}  // namespace monitoring::series
