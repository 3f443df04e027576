#pragma once
// Descriptions of metrics that hold only if their transaction commits.

#include "monitoring/metrics/metric.hpp"

namespace monitoring::hooks {

/// shmem::define_metric() for this database when the transaction commits, or is prepared; not after
/// a roll-back, also to a savepoint before this call.
void define_at_commit(const metrics::MetricSpec& spec);

}  // namespace monitoring::hooks
