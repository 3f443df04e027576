#include "monitoring/pg/client.hpp"

#include "monitoring/pg/postgres.hpp"

// The struct Port has its fields in the same places with and without these; with them, its header
// wants the headers of two libraries of which nothing is needed here.
#undef ENABLE_GSS
#undef USE_OPENSSL

extern "C" {
#include <libpq/libpq-be.h>
#include <miscadmin.h>
#include <storage/proc.h>
}

namespace monitoring::pg {

const char* requested_database() {
  return MyProcPort != nullptr ? MyProcPort->database_name : nullptr;
}

LocalTransactionId own_local_transaction() {
// 17 put it into a struct.
#if PG_VERSION_NUM >= 170000
  return MyProc->vxid.lxid;
#else
  return MyProc->lxid;
#endif
}

}  // namespace monitoring::pg
