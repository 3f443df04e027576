#pragma once
// Passes that are one SQL function for one object or, with NULL, for all: they are made for all,
// and only if that fails for each. What fails costs itself, and is an issue that names it.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <cstdint>

namespace monitoring::collect {

/// Makes and removes the collectors of enabled packs; returns how many.
std::int64_t settle_packs(pg::Spi& spi);

/// Records the metrics that are marked for it as measurements; returns how many rows.
std::int64_t snapshot_metrics(pg::Spi& spi);

}  // namespace monitoring::collect
