#include "measurements/bulk_insert.hpp"

#include "monitoring/pg/guard.hpp"
#include "monitoring/pg/table_writer.hpp"

extern "C" {
#include <access/heapam.h>
#include <access/table.h>
#include <access/tableam.h>
#include <access/xact.h>
#include <catalog/namespace.h>
#include <catalog/pg_type.h>
#include <executor/execPartition.h>
#include <executor/executor.h>
#include <nodes/makefuncs.h>
#include <utils/rel.h>
#include <utils/timestamp.h>
#include <utils/uuid.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <cstring>

namespace monitoring::measurements {

namespace {

// All of this file runs inside one pg::call: nothing here has a destructor, and what is allocated
// goes with the executor's memory, also after an error.

constexpr int kBatchRows = 1000;
constexpr int kColumns = 6;

constexpr pg::TableColumn kTable[kColumns] = {
    {"id", UUIDOID},    {"metric_name", TEXTOID},      {"metric_value", FLOAT8OID},
    {"tags", JSONBOID}, {"timestamp", TIMESTAMPTZOID}, {"created_at", TIMESTAMPTZOID}};

bool is_as_we_made_it(Relation table, char kind) {
  return pg::is_plain(table, kind, kTable, kColumns);
}

struct Insertion {
  const metrics::Record* records;
  std::size_t count;
  pg_uuid_t* ids;
  ResultRelInfo** partitions;  // of each record
  TimestampTz created_at;
  EState* estate;
};

/// The row in the slot points into the record and, for its name, into the current context.
void fill(TupleTableSlot* slot, const Insertion& insertion, std::size_t i) {
  const metrics::Record& record = insertion.records[i];
  ExecClearTuple(slot);
  std::memset(slot->tts_isnull, 0, kColumns * sizeof(bool));
  auto* name = static_cast<text*>(palloc(VARHDRSZ + record.name.size()));
  SET_VARSIZE(name, VARHDRSZ + record.name.size());
  std::memcpy(VARDATA(name), record.name.data(), record.name.size());
  slot->tts_values[0] = UUIDPGetDatum(&insertion.ids[i]);
  slot->tts_values[1] = PointerGetDatum(name);
  slot->tts_values[2] = Float8GetDatum(record.value);
  slot->tts_values[3] = record.tags ? PointerGetDatum(record.tags->data()) : Datum{0};
  slot->tts_isnull[3] = !record.tags;
  slot->tts_values[4] = TimestampTzGetDatum(record.recorded_at);
  slot->tts_values[5] = TimestampTzGetDatum(insertion.created_at);
  ExecStoreVirtualTuple(slot);
}

/// Finds the partition of every record. False if one of them needs SQL.
bool route(Insertion& insertion, ModifyTableState* state, PartitionTupleRouting* routing,
           TupleTableSlot* slot) {
  MemoryContext rows = GetPerTupleMemoryContext(insertion.estate);
  for (std::size_t i = 0; i < insertion.count; ++i) {
    ResetPerTupleExprContext(insertion.estate);
    MemoryContext before = MemoryContextSwitchTo(rows);
    fill(slot, insertion, i);
    MemoryContextSwitchTo(before);
    insertion.partitions[i] =
        ExecFindPartition(state, state->rootResultRelInfo, routing, slot, insertion.estate);
    // Neighbours mostly share their partition, which was looked at then.
    if (i > 0 && insertion.partitions[i] == insertion.partitions[i - 1]) continue;
    if (!is_as_we_made_it(insertion.partitions[i]->ri_RelationDesc, RELKIND_RELATION)) return false;
  }
  return true;
}

/// Inserts the records of one partition, in their order, and marks them as done.
void fill_partition(Insertion& insertion, ResultRelInfo* partition, std::size_t first) {
  Relation table = partition->ri_RelationDesc;
  const int most = static_cast<int>(std::min<std::size_t>(kBatchRows, insertion.count - first));
  auto** slots = static_cast<TupleTableSlot**>(palloc(most * sizeof(TupleTableSlot*)));
  for (int i = 0; i < most; ++i) slots[i] = table_slot_create(table, nullptr);
  BulkInsertState bulk = GetBulkInsertState();
  MemoryContext rows = GetPerTupleMemoryContext(insertion.estate);

  int used = 0;
  for (std::size_t i = first; i < insertion.count; ++i) {
    if (insertion.partitions[i] != partition) continue;
    insertion.partitions[i] = nullptr;
    MemoryContext before = MemoryContextSwitchTo(rows);
    fill(slots[used], insertion, i);
    slots[used]->tts_tableOid = RelationGetRelid(table);
    MemoryContextSwitchTo(before);
    if (++used < most) continue;
    CHECK_FOR_INTERRUPTS();
    pg::write_batch(partition, slots, used, insertion.estate, bulk);
    for (int slot = 0; slot < used; ++slot) ExecClearTuple(slots[slot]);
    ResetPerTupleExprContext(insertion.estate);
    used = 0;
  }
  if (used > 0) pg::write_batch(partition, slots, used, insertion.estate, bulk);

  FreeBulkInsertState(bulk);
  for (int i = 0; i < most; ++i) ExecDropSingleTupleTableSlot(slots[i]);
}

bool insert_all(Relation root, const metrics::Record* records, std::size_t count) {
  EState* estate = CreateExecutorState();
  MemoryContext caller = MemoryContextSwitchTo(estate->es_query_cxt);

  auto* target = makeNode(ResultRelInfo);
  InitResultRelInfo(target, root, 0, nullptr, 0);
  auto* state = makeNode(ModifyTableState);
  state->ps.state = estate;
  state->operation = CMD_INSERT;
  state->mt_nrels = 1;
  state->resultRelInfo = target;
  state->rootResultRelInfo = target;
  PartitionTupleRouting* routing = ExecSetupPartitionTupleRouting(estate, root);
  TupleTableSlot* slot = table_slot_create(root, nullptr);

  Insertion insertion = {
      records,
      count,
      pg::make_ids(count),
      static_cast<ResultRelInfo**>(palloc(count * sizeof(ResultRelInfo*))),
      GetCurrentTransactionStartTimestamp(),
      estate,
  };
  const bool plain = route(insertion, state, routing, slot);
  if (plain) {
    ResetPerTupleExprContext(estate);
    for (std::size_t i = 0; i < count; ++i) {
      if (insertion.partitions[i] != nullptr) fill_partition(insertion, insertion.partitions[i], i);
    }
  }

  ExecDropSingleTupleTableSlot(slot);
  ExecCleanupTupleRouting(state, routing);
  MemoryContextSwitchTo(caller);
  FreeExecutorState(estate);
  if (plain) CommandCounterIncrement();
  return plain;
}

}  // namespace

bool insert_in_bulk(const metrics::Record* records, std::size_t count) {
  return pg::call([&] {
    // RangeVar takes char pointers that it does not write to.
    RangeVar* name =
        makeRangeVar(const_cast<char*>("monitoring"), const_cast<char*>("pipeline_metrics"), -1);
    Relation root = table_openrv(name, RowExclusiveLock);
    const bool done =
        is_as_we_made_it(root, RELKIND_PARTITIONED_TABLE) && insert_all(root, records, count);
    table_close(root, NoLock);
    return done;
  });
}

}  // namespace monitoring::measurements
