#pragma once
// The machine's own figures, read from /proc as they are now.

#include <optional>

#include "monitoring/base/clock.hpp"
#include "monitoring/host/proc.hpp"

namespace monitoring::collect {

/// CPUs, memory, load, disks, file systems, traffic, pressure, the clock. Files that are not there
/// or not for this user to read give nothing. On a system without /proc: nothing at all.
host::Samples host_samples(Instant now);

/// What is wide and seldom looked at: protocols, sockets, interfaces.
host::Samples network_samples();

/// Of the whole machine, as far as it is known.
struct HostUse {
  std::optional<double> memory_mb;
  /// Since this process asked last; nothing when it asks for the first time.
  std::optional<double> cpu_percent;
};
HostUse host_use(Instant now);

}  // namespace monitoring::collect
