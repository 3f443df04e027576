#pragma once
// The worker's duty to run collectors: one at a time, each in a transaction of its own, so that a
// slow one keeps neither a snapshot nor the other duties waiting for longer than its own timeout.

#include "worker/duties.hpp"

namespace monitoring::worker {

Duty collect_duty();

}  // namespace monitoring::worker
