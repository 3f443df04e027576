#pragma once
// What the worker costs and how far behind it is, counted in the registry for /metrics.

#include "worker/duties.hpp"

namespace monitoring::worker {

/// CPU time of this process, the outbox, the lag of roll-ups; and what was counted by
/// collect::count_cost, which is saved for monitoring.cost at the same time.
Duty self_metrics_duty();

}  // namespace monitoring::worker
