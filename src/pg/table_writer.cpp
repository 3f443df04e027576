#include "monitoring/pg/table_writer.hpp"

extern "C" {
#include <access/table.h>
#include <access/tableam.h>
#include <access/xact.h>
#include <executor/executor.h>
#include <nodes/makefuncs.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <cstring>

#include "monitoring/pg/version_executor.hpp"

namespace monitoring::pg {

namespace {

/// Some pages of them.
constexpr int kBatchRows = 100;

bool has_insert_triggers(const TriggerDesc* triggers) {
  return triggers != nullptr &&
         (triggers->trig_insert_before_row || triggers->trig_insert_after_row ||
          triggers->trig_insert_instead_row || triggers->trig_insert_before_statement ||
          triggers->trig_insert_after_statement || triggers->trig_insert_new_table);
}

bool has_columns(TupleDesc table, const TableColumn* columns, int column_count) {
  if (table->natts != column_count) return false;
  for (int i = 0; i < column_count; ++i) {
    const Form_pg_attribute column = TupleDescAttr(table, i);
    if (column->attisdropped || column->attgenerated != '\0') return false;
    if (column->atttypid != columns[i].type) return false;
    if (std::strcmp(NameStr(column->attname), columns[i].name) != 0) return false;
  }
  return true;
}

}  // namespace

bool is_plain(Relation table, char kind, const TableColumn* columns, int column_count) {
  return table->rd_rel->relkind == kind &&
         has_columns(RelationGetDescr(table), columns, column_count) &&
         !has_insert_triggers(table->trigdesc);
}

void write_batch(ResultRelInfo* table, TupleTableSlot** slots, int rows, EState* estate,
                 BulkInsertState bulk) {
  Relation relation = table->ri_RelationDesc;
  if (relation->rd_att->constr != nullptr) {
    for (int i = 0; i < rows; ++i) ExecConstraints(table, slots[i], estate);
  }
  // A multi-insert leaks memory; the rows' context takes it along.
  MemoryContext before = MemoryContextSwitchTo(GetPerTupleMemoryContext(estate));
  table_multi_insert(relation, slots, rows, GetCurrentCommandId(true), 0, bulk);
  MemoryContextSwitchTo(before);
  for (int i = 0; i < rows && table->ri_NumIndices > 0; ++i) {
    pg::insert_index_entries(table, slots[i], estate);
  }
}

pg_uuid_t* make_ids(std::size_t count) {
  auto* ids = static_cast<pg_uuid_t*>(palloc(count * sizeof(pg_uuid_t)));
  if (!pg_strong_random(ids, count * sizeof(pg_uuid_t))) {
    ereport(ERROR, errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values"));
  }
  constexpr int64 kEpochDifferenceUs =
      static_cast<int64>(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
  const TimestampTz now = GetCurrentTimestamp();  // allowed: it orders ids, nothing depends on it
  const int64 unix_ms = (now + kEpochDifferenceUs) / 1000;
  for (std::size_t i = 0; i < count; ++i) {
    for (int byte = 0; byte < 6; ++byte) {
      ids[i].data[byte] = static_cast<unsigned char>(unix_ms >> (8 * (5 - byte)));
    }
    ids[i].data[6] = static_cast<unsigned char>((ids[i].data[6] & 0x0f) | 0x70);
    ids[i].data[8] = static_cast<unsigned char>((ids[i].data[8] & 0x3f) | 0x80);
  }
  std::sort(ids, ids + count, [](const pg_uuid_t& a, const pg_uuid_t& b) {
    return std::memcmp(a.data, b.data, sizeof a.data) < 0;
  });
  return ids;
}

TableWriter* open_writer(const char* schema, const char* table, const TableColumn* columns,
                         int column_count) {
  // RangeVar takes char pointers that it does not write to.
  RangeVar* name = makeRangeVar(const_cast<char*>(schema), const_cast<char*>(table), -1);
  Relation relation = table_openrv(name, RowExclusiveLock);
  if (!is_plain(relation, RELKIND_RELATION, columns, column_count)) {
    table_close(relation, NoLock);
    return nullptr;
  }
  EState* estate = CreateExecutorState();
  MemoryContext caller = MemoryContextSwitchTo(estate->es_query_cxt);
  auto* writer = static_cast<TableWriter*>(palloc0(sizeof(TableWriter)));
  writer->estate = estate;
  writer->table = makeNode(ResultRelInfo);
  InitResultRelInfo(writer->table, relation, 0, nullptr, 0);
  ExecOpenIndices(writer->table, false);
  writer->bulk = GetBulkInsertState();
  writer->slots = static_cast<TupleTableSlot**>(palloc0(kBatchRows * sizeof(TupleTableSlot*)));
  MemoryContextSwitchTo(caller);
  return writer;
}

namespace {

/// Made at its first use: most writers write few rows.
TupleTableSlot* slot_at(TableWriter* writer, int place) {
  TupleTableSlot*& slot = writer->slots[place];
  if (slot != nullptr) return slot;
  MemoryContext caller = MemoryContextSwitchTo(writer->estate->es_query_cxt);
  slot = table_slot_create(writer->table->ri_RelationDesc, nullptr);
  MemoryContextSwitchTo(caller);
  return slot;
}

}  // namespace

TupleTableSlot* next_row(TableWriter* writer) {
  if (writer->used == kBatchRows) write_rest(writer);
  TupleTableSlot* slot = slot_at(writer, writer->used++);
  ExecClearTuple(slot);
  slot->tts_tableOid = RelationGetRelid(writer->table->ri_RelationDesc);
  std::memset(slot->tts_isnull, 1, slot->tts_tupleDescriptor->natts * sizeof(bool));
  ExecStoreVirtualTuple(slot);
  return slot;
}

void write_rest(TableWriter* writer) {
  if (writer->used == 0) return;
  CHECK_FOR_INTERRUPTS();
  write_batch(writer->table, writer->slots, writer->used, writer->estate, writer->bulk);
  for (int i = 0; i < writer->used; ++i) ExecClearTuple(writer->slots[i]);
  ResetPerTupleExprContext(writer->estate);
  writer->used = 0;
}

void close_writer(TableWriter* writer) {
  FreeBulkInsertState(writer->bulk);
  for (int i = 0; i < kBatchRows && writer->slots[i] != nullptr; ++i) {
    ExecDropSingleTupleTableSlot(writer->slots[i]);
  }
  ExecCloseIndices(writer->table);
  table_close(writer->table->ri_RelationDesc, NoLock);
  FreeExecutorState(writer->estate);
  CommandCounterIncrement();
}

}  // namespace monitoring::pg
