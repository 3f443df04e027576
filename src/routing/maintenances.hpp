#pragma once
// monitoring.maintenances as silences.

#include <optional>
#include <vector>

#include "monitoring/dispatch/silence.hpp"
#include "monitoring/issues/unusable.hpp"

namespace monitoring::routing {

/// The windows that are open at `now`; without a time all rows are checked, and none is open. Rows
/// that cannot be used are added to `unusable`; where that is null the first one is an error.
std::vector<dispatch::Silence> load_open_maintenances(pg::Spi& spi, std::optional<Instant> now,
                                                      issues::UnusableObjects* unusable);

}  // namespace monitoring::routing
