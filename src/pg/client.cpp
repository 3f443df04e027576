#include "monitoring/pg/client.hpp"

#include "monitoring/pg/postgres.hpp"

// The struct Port has its fields in the same places with and without these; with them, its header
// wants the headers of two libraries of which nothing is needed here.
#undef ENABLE_GSS
#undef USE_OPENSSL

extern "C" {
#include <libpq/libpq-be.h>
#include <miscadmin.h>
}

namespace monitoring::pg {

const char* requested_database() {
  return MyProcPort != nullptr ? MyProcPort->database_name : nullptr;
}

int client_socket() {
  return MyProcPort != nullptr ? static_cast<int>(MyProcPort->sock) : -1;
}

}  // namespace monitoring::pg
