#include "monitoring/store/corrections.hpp"

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <access/table.h>
#include <access/tableam.h>
#include <access/xact.h>
#include <catalog/namespace.h>
#include <executor/tuptable.h>
#include <utils/lsyscache.h>
#include <utils/rel.h>
#include <utils/timestamp.h>
}

// clang-format keeps the server's headers first.
#include <algorithm>
#include <iterator>

#include "series_table.hpp"

namespace monitoring::store {

namespace {

/// What was noted lately. Deleting a day touches few hours over and over: without this each row
/// would write a row. Forgetting an entry costs a duplicate note and nothing else.
struct Noted {
  FullTransactionId transaction;
  SubTransactionId subtransaction;
  bool removed;
  std::int64_t hour;
};
constexpr std::size_t kNotedSlots = 64;
Noted noted[kNotedSlots];

bool already_noted(std::int64_t hour, bool removed) {
  Noted& slot = noted[static_cast<std::uint64_t>(hour / kHourUs) % kNotedSlots];
  const Noted current{GetTopFullTransactionId(), GetCurrentSubTransactionId(), removed, hour};
  const bool same = FullTransactionIdEquals(slot.transaction, current.transaction) &&
                    slot.subtransaction == current.subtransaction && slot.removed == removed &&
                    slot.hour == hour;
  slot = current;
  return same;
}

/// Straight into the table: the user who deletes measurements has no rights on it.
void insert_note(std::int64_t hour, bool removed) {
  const Oid oid = get_relname_relid("rollup_corrections", get_namespace_oid("monitoring", false));
  Relation table = table_open(oid, RowExclusiveLock);
  TupleTableSlot* slot =
      MakeSingleTupleTableSlot(RelationGetDescr(table), table_slot_callbacks(table));
  slot->tts_values[0] = TimestampTzGetDatum(hour);
  slot->tts_values[1] = BoolGetDatum(removed);
  slot->tts_isnull[0] = slot->tts_isnull[1] = false;
  ExecStoreVirtualTuple(slot);
  simple_table_tuple_insert(table, slot);
  ExecDropSingleTupleTableSlot(slot);
  table_close(table, NoLock);
}

}  // namespace

void forget_noted_corrections() {
  std::fill(std::begin(noted), std::end(noted), Noted{});
}

void note_correction(std::int64_t timestamp, bool removed) {
  const std::int64_t hour = TIMESTAMP_NOT_FINITE(timestamp) ? timestamp : hour_of(timestamp);
  pg::call([&] {
    if (!already_noted(hour, removed)) insert_note(hour, removed);
  });
}

}  // namespace monitoring::store
