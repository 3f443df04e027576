#pragma once
// The names of the cluster's databases, for processes that may not look into a catalog: a server
// process that never waits for a table, and a hook that runs before anybody is connected.
//
// Written by the launcher, which reads pg_database, and by backends, which know their own name (on
// a standby there is no launcher). Nothing here raises an error.

#include "monitoring/pg/postgres.hpp"
// clang-format keeps the server's header first.
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace monitoring::shmem {

struct DatabaseName {
  Oid database;
  NameData name;
};

/// For the hooks of the postmaster's start.
void request_names();
void create_names();

/// These are all databases there are. What does not fit is not named.
void replace_names(const std::vector<DatabaseName>& names);
/// This database is called that. Nothing is allocated.
void note_name(Oid database, const char* name);

std::map<Oid, std::string> database_names();
/// Whether a database has this name. Nothing is allocated.
bool is_database(std::string_view name);

}  // namespace monitoring::shmem
