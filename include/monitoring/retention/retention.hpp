#pragma once
// The removal of rows that are older than their retention.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "monitoring/base/clock.hpp"
#include "monitoring/pg/spi.hpp"

namespace monitoring::retention {

/// Removes what is older than its retention: (kind, rows) in the order of the kinds.
std::vector<std::pair<std::string, std::int64_t>> apply_retention(pg::Spi& spi, Instant now);

}  // namespace monitoring::retention
