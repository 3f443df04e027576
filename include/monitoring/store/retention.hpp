#pragma once
// Partitions of pipeline_metrics, and the removal of old rows.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "monitoring/base/clock.hpp"
#include "monitoring/pg/spi.hpp"

namespace monitoring::store {

/// Removes what is older than its retention: (kind, rows) in the order of the kinds.
std::vector<std::pair<std::string, std::int64_t>> apply_retention(pg::Spi& spi, Instant now);

/// all: from the raw retention on; while the extension is being made and nobody else writes.
/// to_come: those that nobody writes to yet.
enum class Days { all, to_come };

/// Makes the partitions that are missing up to days_ahead from now. Each one waits for locks 100 ms
/// at most. Returns how many were made.
int maintain_partitions(pg::Spi& spi, Instant now, Days days, int days_ahead);

}  // namespace monitoring::store
