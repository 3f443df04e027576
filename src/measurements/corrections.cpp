#include "monitoring/measurements/corrections.hpp"

#include "monitoring/pg/guard.hpp"
#include "monitoring/pg/periods.hpp"

extern "C" {
#include <access/htup_details.h>
#include <access/table.h>
#include <access/tableam.h>
#include <access/xact.h>
#include <catalog/namespace.h>
#include <common/hashfn.h>
#include <executor/tuptable.h>
#include <utils/lsyscache.h>
#include <utils/rel.h>
#include <utils/timestamp.h>
}

// clang-format keeps the server's headers first.
#include <algorithm>
#include <iterator>
#include <optional>

#include "monitoring/measurements/progress.hpp"

namespace monitoring::measurements {

namespace {

/// What was noted lately. Deleting a day touches few hours over and over: without this each row
/// would write a row. Forgetting an entry costs a duplicate note and nothing else.
struct Noted {
  FullTransactionId transaction;
  SubTransactionId subtransaction;
  bool removed;
  std::int64_t hour;
  std::uint64_t
      metric;  // a hash: whoever chooses names for a collision loses corrections of his own
  std::uint64_t inserter;

  bool covers(const Noted& other) const {
    return FullTransactionIdEquals(transaction, other.transaction) &&
           subtransaction == other.subtransaction && removed == other.removed &&
           hour == other.hour && metric == other.metric &&
           (inserter == kSeenBefore || inserter == other.inserter);
  }
};
constexpr std::size_t kNotedSlots = 256;
Noted noted[kNotedSlots];

/// For which statement the last pass was asked for: rows that it deletes are told apart by what its
/// snapshot shows of the passes, or by something newer.
struct Asked {
  FullTransactionId transaction;
  SubTransactionId subtransaction;
  CommandId command;

  bool operator==(const Asked& other) const {
    return FullTransactionIdEquals(transaction, other.transaction) &&
           subtransaction == other.subtransaction && command == other.command;
  }
};
Asked asked;

std::optional<Progress>& last_pass() {
  static auto* progress = new std::optional<Progress>;
  return *progress;
}

bool already_noted(const Correction& correction, std::int64_t hour) {
  const auto* name = correction.metric_name;
  const std::uint64_t metric =
      hash_bytes_extended(reinterpret_cast<const unsigned char*>(VARDATA_ANY(name)),
                          static_cast<int>(VARSIZE_ANY_EXHDR(name)), 0);
  const std::uint64_t place = static_cast<std::uint64_t>(hour / kHourUs) * 31 + metric;
  Noted& slot = noted[place % kNotedSlots];
  const Noted current{GetTopFullTransactionId(),
                      GetCurrentSubTransactionId(),
                      correction.removed,
                      hour,
                      metric,
                      correction.removed ? correction.inserter : 0};
  if (slot.covers(current)) return true;
  slot = current;
  return false;
}

/// Straight into the table: the user who deletes measurements has no rights on it. Columns that
/// somebody has added are NULL.
void insert_note(const Correction& correction, std::int64_t hour) {
  const Oid oid =
      get_relname_relid("rollup_corrections", get_namespace_oid("monitoring_internal", false));
  Relation table = table_open(oid, RowExclusiveLock);
  TupleTableSlot* slot =
      MakeSingleTupleTableSlot(RelationGetDescr(table), table_slot_callbacks(table));
  ExecStoreAllNullTuple(slot);
  const Datum values[] = {TimestampTzGetDatum(hour), PointerGetDatum(correction.metric_name),
                          BoolGetDatum(correction.removed),
                          Int64GetDatum(static_cast<std::int64_t>(correction.inserter))};
  std::copy(std::begin(values), std::end(values), slot->tts_values);
  std::fill_n(slot->tts_isnull, std::size(values), false);
  simple_table_tuple_insert(table, slot);
  ExecDropSingleTupleTableSlot(slot);
  table_close(table, NoLock);
}

}  // namespace

void forget_noted_corrections() {
  std::fill(std::begin(noted), std::end(noted), Noted{});
  asked = {};
}

std::uint64_t inserter_of_deleted(HeapTuple tuple) {
  const Asked now{pg::call(GetTopFullTransactionId), GetCurrentSubTransactionId(),
                  pg::call([] { return GetCurrentCommandId(false); })};
  if (!(asked == now)) {
    last_pass() = Progress::read_directly();
    asked = now;
  }
  if (last_pass() && last_pass()->has_seen(tuple)) return kSeenBefore;
  return pg::call([&] { return full_transaction_id(HeapTupleHeaderGetRawXmin(tuple->t_data)); });
}

void note_correction(const Correction& correction) {
  const std::int64_t at = correction.timestamp;
  const std::int64_t hour = TIMESTAMP_NOT_FINITE(at) ? at : hour_of(at);
  pg::call([&] {
    if (!already_noted(correction, hour)) insert_note(correction, hour);
  });
}

}  // namespace monitoring::measurements
