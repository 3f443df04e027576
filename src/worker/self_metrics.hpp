#pragma once
// What the worker costs and how far behind it is, counted in the registry for /metrics.

#include <string>

#include "worker/duties.hpp"

namespace monitoring::worker {

/// CPU time of this process, the outbox, the lag of roll-ups.
Duty self_metrics_duty();

/// One run of a duty.
void count_duty(const std::string& name, Duration took, bool failed);

}  // namespace monitoring::worker
