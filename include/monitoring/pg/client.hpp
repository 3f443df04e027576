#pragma once
// What a backend knows of its client, from the beginning of the connection on.

#include "monitoring/pg/postgres.hpp"

namespace monitoring::pg {

/// The database that the client has asked for, which need not exist; nullptr in a process without a
/// client. Nothing is allocated and no error is raised.
const char* requested_database();

/// The connection to it; -1 in a process without a client. For signal handlers, too.
int client_socket();

}  // namespace monitoring::pg
