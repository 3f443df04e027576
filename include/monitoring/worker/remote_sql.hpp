#pragma once
// A few SQL statements in another database of this cluster, by a process of their own.

#include <cstdint>
#include <string>

namespace monitoring::worker {

/// Runs a query in the database of pg_cron as the current user after setup::require_pg_cron(), in a
/// transaction that commits on its own, and returns the number of its rows. Throws what the query
/// throws, with its SQLSTATE and message; 3D000 where there is no such database, 53400 where no
/// background worker process is free. The caller can be cancelled while it waits.
std::int64_t run_beside_pg_cron(const std::string& database, const std::string& sql);

}  // namespace monitoring::worker
