#pragma once
// What differs in the executor between the supported major versions. Apart from version.hpp,
// because the executor's headers have names that are ours, too (Result, Sort, Group).

#include "monitoring/pg/postgres.hpp"

extern "C" {
#include <executor/executor.h>
}

namespace monitoring::pg {

/// 16 added the last argument: whether only summarizing indexes, such as BRIN, need the row.
inline void insert_index_entries(ResultRelInfo* table, TupleTableSlot* row, EState* estate) {
#if PG_VERSION_NUM >= 160000
  ExecInsertIndexTuples(table, row, estate, false, false, nullptr, NIL, false);
#else
  ExecInsertIndexTuples(table, row, estate, false, false, nullptr, NIL);
#endif
}

}  // namespace monitoring::pg
