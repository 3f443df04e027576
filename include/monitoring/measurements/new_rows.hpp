#pragma once
// The measurements that no pass has seen, as the active snapshot shows them.

#include <functional>
#include <string>
#include <unordered_set>

#include "monitoring/measurements/progress.hpp"
#include "monitoring/measurements/raw_scan.hpp"

namespace monitoring::measurements {

/// Calls visit(row) for every measurement with a finite timestamp that is in no roll-up state.
/// In a restored copy without a baseline: every one of hours that are not rolled up.
/// visit runs under pg::call: it may raise server errors.
void for_each_new_row(pg::Spi& spi, const std::function<void(const RawRow&)>& visit);

}  // namespace monitoring::measurements
