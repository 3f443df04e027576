#pragma once
// Runs the collectors that are due, one in each turn, so that a slow one keeps no other duty
// waiting for longer than its own time limit.

#include "worker/duties.hpp"

namespace monitoring::worker {

Duty collect_duty();

/// The duty that keeps them within monitoring.max_duty_cycle.
Duty collector_budget_duty();

}  // namespace monitoring::worker
