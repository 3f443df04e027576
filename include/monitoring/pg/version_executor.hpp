#pragma once
// What differs in the executor between the supported major versions. Apart from version.hpp,
// because the executor's headers have names that are ours, too (Result, Sort, Group).

#include "monitoring/pg/postgres.hpp"

extern "C" {
#include <access/genam.h>
#include <access/tableam.h>
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

/// Replaces the row at place by the one in the slot, indexes included. 16 tells apart which kinds
/// of indexes need the new version.
inline void update_row(ResultRelInfo* table, ItemPointer place, TupleTableSlot* row,
                       EState* estate) {
#if PG_VERSION_NUM >= 160000
  TU_UpdateIndexes update_indexes = TU_None;
#else
  bool update_indexes = false;
#endif
  simple_table_tuple_update(table->ri_RelationDesc, place, row, estate->es_snapshot,
                            &update_indexes);
  if (update_indexes) insert_index_entries(table, row, estate);
}

/// 18 added the counters of EXPLAIN.
inline IndexScanDesc begin_index_scan(Relation table, Relation index, Snapshot snapshot, int keys) {
#if PG_VERSION_NUM >= 180000
  return index_beginscan(table, index, snapshot, nullptr, keys, 0);
#else
  return index_beginscan(table, index, snapshot, keys, 0);
#endif
}

}  // namespace monitoring::pg
