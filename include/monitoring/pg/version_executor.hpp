#pragma once
// What differs in the executor between the supported major versions. Apart from version.hpp,
// because the executor's headers have names that are ours, too (Result, Sort, Group).

#include "monitoring/pg/postgres.hpp"

extern "C" {
#include <access/genam.h>
#include <access/tableam.h>
#include <executor/executor.h>
#include <utils/relcache.h>
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
  TU_UpdateIndexes indexes = TU_None;
#else
  bool indexes = false;
#endif
  simple_table_tuple_update(table->ri_RelationDesc, place, row, estate->es_snapshot, &indexes);
  if (!indexes) return;
#if PG_VERSION_NUM >= 160000
  ExecInsertIndexTuples(table, row, estate, false, false, nullptr, NIL, indexes == TU_Summarizing);
#else
  ExecInsertIndexTuples(table, row, estate, false, false, nullptr, NIL);
#endif
}

/// 18 added the last argument: whether a deferrable key will do. None was returned before.
inline Oid primary_key_index(Relation table) {
#if PG_VERSION_NUM >= 180000
  return RelationGetPrimaryKeyIndex(table, false);
#else
  return RelationGetPrimaryKeyIndex(table);
#endif
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
