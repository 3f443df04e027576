#include "server/metrics.hpp"

#include "monitoring/shmem/connection_gauges.hpp"
#include "monitoring/shmem/database_names.hpp"
#include "monitoring/shmem/registry_exposition.hpp"

namespace monitoring::server {

std::string metrics_of_cluster(metrics::ExpositionFormat format) {
  shmem::DatabaseNames names = shmem::database_names();
  shmem::refresh_connection_gauges(names);
  const shmem::Snapshot snapshot{std::nullopt};
  // One that nobody has named yet goes by its number.
  for (const shmem::Snapshot::Metric& metric : snapshot.metrics()) {
    if (metric.database != shmem::kWholeCluster) {
      names.try_emplace(metric.database, std::to_string(metric.database));
    }
  }
  metrics::Exposition exposition;
  shmem::expose_registry(exposition, snapshot, &names);
  shmem::expose_self(exposition, names);
  return exposition.text(format);
}

}  // namespace monitoring::server
