#pragma once
// The worker's duty to start a courier when there is something to send. It sends nothing itself.

#include "worker/duties.hpp"

namespace monitoring::worker {

Duty send_duty();

}  // namespace monitoring::worker
