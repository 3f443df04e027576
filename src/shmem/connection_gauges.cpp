#include "monitoring/shmem/connection_gauges.hpp"

#include <algorithm>

#include "monitoring/pg/connections.hpp"
#include "monitoring/shmem/registry.hpp"

namespace monitoring::shmem {

namespace {

using shmem::MetricSpec;
using shmem::MetricType;

constexpr MetricSpec kActive = {"db_connections_active", MetricType::gauge,
                                "Connections of clients that run a statement."};
constexpr MetricSpec kIdle = {"db_connections_idle", MetricType::gauge,
                              "Connections of clients that wait for the client."};
constexpr MetricSpec kPoolSize = {"database_connection_pool_size", MetricType::gauge,
                                  "Connections that the server allows: max_connections."};
constexpr MetricSpec kPoolIdle = {"database_connection_pool_idle", MetricType::gauge,
                                  "Connections that nobody has yet."};

void set(Oid database, const MetricSpec& spec, int value) {
  const shmem::Found found = shmem::find_or_create(database, spec, {});
  if (found.series != nullptr) shmem::set(*found.series, value);
}

}  // namespace

void refresh_connection_gauges(const std::map<Oid, std::string>& databases) {
  std::map<Oid, pg::Connections> connections = pg::count_connections();
  int used = 0;
  for (const auto& [database, count] : connections) used += count.active + count.idle;
  for (const auto& [database, name] : databases) {
    const pg::Connections& count = connections[database];
    set(database, kActive, count.active);
    set(database, kIdle, count.idle);
  }
  set(shmem::kWholeCluster, kPoolSize, pg::most_connections());
  set(shmem::kWholeCluster, kPoolIdle, std::max(pg::most_connections() - used, 0));
}

}  // namespace monitoring::shmem
