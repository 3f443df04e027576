#pragma once
// The machine's own figures, read from /proc as they are now.

#include "monitoring/host/proc.hpp"

namespace monitoring::store {

/// Everything that monitoring/host/proc.hpp knows to read. Files that are not there or not for this
/// user to read give nothing. On a system without /proc: nothing at all.
host::Samples host_samples();

}  // namespace monitoring::store
