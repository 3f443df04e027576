#pragma once
// Gauges that hold at the moment somebody reads them: db_connections_active and db_connections_idle
// of each database, database_connection_pool_size and database_connection_pool_idle of the cluster,
// which is its own pool: max_connections, and how many of them nobody has.

#include "monitoring/pg/postgres.hpp"
// clang-format keeps the server's header first.
#include <map>
#include <string>

namespace monitoring::shmem {

/// Counts the connections and sets the gauges of these databases, zeros included.
void refresh_connection_gauges(const std::map<Oid, std::string>& databases);

}  // namespace monitoring::shmem
