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

#include "monitoring/measurements/corrections.hpp"
#include "monitoring/measurements/new_rows.hpp"

namespace monitoring {

namespace {

struct Columns {
  AttrNumber timestamp, metric_name;
};

/// NULL timestamps cannot be: the partition key refuses them. Infinite ones are in no hour.
void note_slot(const Columns& columns, TupleTableSlot* slot, bool removed, std::uint64_t inserter) {
  measurements::Correction correction{DT_NOBEGIN, nullptr, removed, inserter};
  const bool is_in_hour = pg::call([&] {
    bool has_no_time = false;
    bool has_no_name = false;
    correction.timestamp = DatumGetTimestampTz(slot_getattr(slot, columns.timestamp, &has_no_time));
    const Datum name = slot_getattr(slot, columns.metric_name, &has_no_name);
    if (has_no_time || has_no_name || TIMESTAMP_NOT_FINITE(correction.timestamp)) return false;
    correction.metric_name = DatumGetTextPP(name);
    return true;
  });
  if (is_in_hour) measurements::note_correction(correction);
}

void note_truncation() {
  const struct varlena* none = pg::call([] { return cstring_to_text(""); });
  measurements::note_correction({DT_NOBEGIN, none, true, 0});
}

/// Functions read past the privileges of tables, so this one asks for them itself.
void require_select() {
  pg::call([] {
    const Oid table = measurements::measurements_table();
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
void put_if_wanted(const Sink& sink, const measurements::RawRow& row) {
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
  const pg::TriggerCall call(fcinfo, {"note_correction", pg::TriggerTime::after,
                                      pg::kOnUpdate | pg::kOnDelete, pg::kOnTruncate});
  if (call.is_truncate()) {
    note_truncation();
    return PointerGetDatum(nullptr);
  }
  const TriggerData* trigger = &call.data();
  // Both are there and of their types, also where the trigger is on a table of somebody else's.
  const Columns columns{static_cast<AttrNumber>(call.column("timestamp", TIMESTAMPTZOID)),
                        static_cast<AttrNumber>(call.column("metric_name", TEXTOID))};
  const bool deleted = call.is_delete();
  // An UPDATE that takes a row to another partition deletes it here, and marks it so; there it is a
  // new row.
  const bool removed =
      deleted && !HeapTupleHeaderIndicatesMovedPartitions(trigger->tg_trigtuple->t_data);
  const std::uint64_t inserter =
      removed ? measurements::inserter_of_deleted(trigger->tg_trigtuple) : 0;
  note_slot(columns, trigger->tg_trigslot, removed, inserter);
  if (!deleted) note_slot(columns, trigger->tg_newslot, false, 0);
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
  measurements::for_each_new_row(
      spi, [&](const measurements::RawRow& row) { put_if_wanted(sink, row); });
  PG_RETURN_NULL();
}
