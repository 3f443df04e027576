#pragma once
// Who is connected, as the server's own table of processes has it: no SQL, no lock of a table.

#include "monitoring/pg/postgres.hpp"
// clang-format keeps the server's header first.
#include <map>

namespace monitoring::pg {

struct Connections {
  int active = 0;  ///< running a statement; unknown, and so idle, where track_activities is off
  int idle = 0;    ///< waiting for the client, also within a transaction
};

/// Clients' connections by database. In a transaction, as of the first look in it.
std::map<Oid, Connections> count_connections();

/// As many as may be there at a time, those kept for superusers included.
int most_connections();

}  // namespace monitoring::pg
