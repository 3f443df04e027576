#pragma once
// What /metrics says: every series of every database, with the label datname.

#include "monitoring/pg/postgres.hpp"
// clang-format keeps the server's header first.
#include <string>

#include "monitoring/metrics/exposition.hpp"

namespace monitoring::server {

std::string metrics_of_cluster(metrics::ExpositionFormat format);

}  // namespace monitoring::server
