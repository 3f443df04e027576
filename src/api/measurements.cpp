// SQL entry points around raw measurements: the correction trigger, and the rows no pass has seen.

#include "monitoring/pg/trigger.hpp"

extern "C" {
#include <access/htup_details.h>
#include <catalog/namespace.h>
#include <catalog/pg_type.h>
#include <executor/tuptable.h>
#include <funcapi.h>
#include <utils/acl.h>
#include <utils/builtins.h>
#include <utils/rel.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <cstring>

#include "monitoring/store/corrections.hpp"
#include "monitoring/store/new_rows.hpp"

namespace monitoring {

namespace {

/// NULL timestamps cannot be: the partition key refuses them. Infinite ones are in no hour.
void note_slot(TupleTableSlot* slot, AttrNumber column, bool removed) {
  bool is_null = false;
  const Datum value = pg::call([&] { return slot_getattr(slot, column, &is_null); });
  const std::int64_t timestamp = DatumGetTimestampTz(value);
  if (is_null || TIMESTAMP_NOT_FINITE(timestamp)) return;
  store::note_correction(timestamp, removed);
}

/// Functions read past the privileges of tables, so this one asks for them itself.
void require_select() {
  pg::call([] {
    const Oid table = store::measurements_table();
    const AclResult allowed = pg_class_aclcheck(table, GetUserId(), ACL_SELECT);
    if (allowed != ACLCHECK_OK) aclcheck_error(allowed, OBJECT_TABLE, "pipeline_metrics");
  });
}

struct Sink {
  ReturnSetInfo* result;
  const char* wanted_name;
  std::size_t wanted_length;
  std::int64_t since;
};

/// Under pg::call, for every new row.
void put_if_wanted(const Sink& sink, const store::RawRow& row) {
  if (row.timestamp < sink.since) return;
  struct varlena* name = pg_detoast_datum_packed(row.metric_name);
  if (VARSIZE_ANY_EXHDR(name) != sink.wanted_length) return;
  if (std::memcmp(VARDATA_ANY(name), sink.wanted_name, sink.wanted_length) != 0) return;
  bool nulls[3] = {false, row.tags == nullptr, false};
  Datum values[3] = {Float8GetDatum(row.metric_value),
                     row.tags == nullptr ? Datum{0} : PointerGetDatum(pg_detoast_datum(row.tags)),
                     TimestampTzGetDatum(row.timestamp)};
  tuplestore_putvalues(sink.result->setResult, sink.result->setDesc, values, nulls);
}

}  // namespace

}  // namespace monitoring

MONITORING_FUNCTION(monitoring_note_correction) {
  using namespace monitoring;  // NOLINT: one function
  const pg::TriggerCall call(fcinfo, {"_note_correction", pg::TriggerTime::after,
                                      pg::kOnUpdate | pg::kOnDelete, pg::kOnTruncate});
  if (call.is_truncate()) {
    store::note_correction(DT_NOBEGIN, true);
    return PointerGetDatum(nullptr);
  }
  const TriggerData* trigger = &call.data();
  const auto column = static_cast<AttrNumber>(call.column("timestamp", TIMESTAMPTZOID));
  const bool deleted = call.is_delete();
  // An UPDATE that takes a row to another partition deletes it here, and marks it so; there it is a
  // new row.
  const bool moved =
      deleted && HeapTupleHeaderIndicatesMovedPartitions(trigger->tg_trigtuple->t_data);
  note_slot(trigger->tg_trigslot, column, deleted && !moved);
  if (!deleted) note_slot(trigger->tg_newslot, column, false);
  return PointerGetDatum(nullptr);
}

MONITORING_FUNCTION(monitoring_new_measurements) {
  using namespace monitoring;  // NOLINT: one function
  require_select();
  pg::call([&] { InitMaterializedSRF(fcinfo, 0); });
  if (PG_ARGISNULL(0)) PG_RETURN_NULL();
  const std::string name(pg::call([&] { return text_to_cstring(PG_GETARG_TEXT_PP(0)); }));
  const Sink sink{reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo), name.data(), name.size(),
                  PG_ARGISNULL(1) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(1)};
  pg::Spi spi;
  store::for_each_new_row(spi, [&](const store::RawRow& row) { put_if_wanted(sink, row); });
  PG_RETURN_NULL();
}
