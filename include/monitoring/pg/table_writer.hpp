#pragma once
// Rows into a table through the table access API, many at once, with indexes and constraints. All
// of it runs inside one pg::call: nothing here has a destructor, and what is allocated goes with
// the executor's memory, also after an error.

#include "monitoring/pg/postgres.hpp"

extern "C" {
#include <access/heapam.h>
#include <nodes/execnodes.h>
#include <utils/rel.h>
#include <utils/uuid.h>
}

namespace monitoring::pg {

struct TableColumn {
  const char* name;
  Oid type;
};

/// Whether the table has exactly these columns and nothing that only SQL's INSERT would do.
bool is_plain(Relation table, char kind, const TableColumn* columns, int column_count);

/// Writes filled slots. Memory of the rows is that of the executor's per-tuple context, which the
/// caller resets.
void write_batch(ResultRelInfo* table, TupleTableSlot** slots, int rows, EState* estate,
                 BulkInsertState bulk);

/// UUIDs of version 7 (RFC 9562), ascending: they begin with the time, so that the rows of a batch
/// are neighbours in a primary key. In the current memory context.
pg_uuid_t* make_ids(std::size_t count);

/// One table being written, batch by batch.
struct TableWriter {
  ResultRelInfo* table;
  EState* estate;
  BulkInsertState bulk;
  TupleTableSlot** slots;
  int used;
};

/// nullptr if the table is not plain: SQL must do it then. Locks the table as INSERT does.
TableWriter* open_writer(const char* schema, const char* table, const TableColumn* columns,
                         int column_count);
/// The next row to fill, all columns NULL. What its columns point to must live until write_rest().
TupleTableSlot* next_row(TableWriter* writer);
/// Writes the rows that were filled and not written yet.
void write_rest(TableWriter* writer);
/// After write_rest(). Later commands see the rows.
void close_writer(TableWriter* writer);

}  // namespace monitoring::pg
