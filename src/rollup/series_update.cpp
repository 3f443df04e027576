#include "rollup/series_update.hpp"

#include "monitoring/pg/memory.hpp"
#include "monitoring/pg/snapshot.hpp"
#include "monitoring/pg/version_executor.hpp"

extern "C" {
#include <access/relation.h>
#include <access/xact.h>
#include <utils/builtins.h>
#include <utils/fmgroids.h>
#include <utils/rel.h>
#include <utils/relcache.h>
#include <utils/timestamp.h>
#include <utils/uuid.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>

#include "rollup/series_rows.hpp"

namespace monitoring::rollup {

namespace {

constexpr std::size_t kBatch = 200;
constexpr int kKeys = 4;

/// Trivially destructible: see multi_insert.hpp.
struct States {
  pg::TableWriter* writer;  // nullptr: SQL
  Relation index;
  IndexScanDesc scan;
  TupleTableSlot* found;
  TupleTableSlot* changed;
  RowConstants constants;
  MemoryContext context;  // theirs: a scan allocates when it likes to, and keeps it
};

/// What rollup_state has of a series, copied out of it.
struct Held {
  bool exists;
  ItemPointerData place;
  const Jsonb* dimensions;
  const Jsonb* measures;
  const bytea* sketch;  // nullptr: no finite value
  metrics::Moments moments;
};

bool is_key_of_series(Relation index) {
  // period_start, metric_name, dimensions_hash, period.
  constexpr AttrNumber kColumns[kKeys] = {2, 3, 4, 1};
  const int2vector& columns = index->rd_index->indkey;
  return columns.dim1 == kKeys && std::equal(kColumns, kColumns + kKeys, columns.values);
}

States open_states() {
  States states{};
  pg::TableWriter* writer = open_state_writer();
  if (writer == nullptr) return states;
  Relation table = writer->table->ri_RelationDesc;
  const Oid key = pg::primary_key_index(table);
  if (OidIsValid(key)) states.index = index_open(key, RowExclusiveLock);
  const bool has_update_triggers =
      table->trigdesc != nullptr &&
      (table->trigdesc->trig_update_before_row || table->trigdesc->trig_update_after_row ||
       table->trigdesc->trig_update_before_statement ||
       table->trigdesc->trig_update_after_statement);
  if (states.index == nullptr || !is_key_of_series(states.index) || has_update_triggers) {
    if (states.index != nullptr) index_close(states.index, NoLock);
    pg::close_writer(writer);
    return {};
  }
  states.writer = writer;
  states.scan = pg::begin_index_scan(table, states.index, GetActiveSnapshot(), kKeys);
  states.found = table_slot_create(table, nullptr);
  states.changed = table_slot_create(table, nullptr);
  states.constants = row_constants();
  states.context = CurrentMemoryContext;
  return states;
}

void close_states(const States& states) {
  ExecDropSingleTupleTableSlot(states.found);
  ExecDropSingleTupleTableSlot(states.changed);
  index_endscan(states.scan);
  index_close(states.index, NoLock);
  pg::close_writer(states.writer);
}

bool find_state(const States& in, const Series& series, Datum metric) {
  ScanKeyData keys[kKeys];
  ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_TIMESTAMPTZ_EQ,
              TimestampTzGetDatum(series.hour));
  ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_TEXTEQ, metric);
  ScanKeyInit(&keys[2], 3, BTEqualStrategyNumber, F_UUID_EQ,
              PointerGetDatum(&series.dimensions_hash));
  ScanKeyInit(&keys[3], 4, BTEqualStrategyNumber, F_TEXTEQ, in.constants.hourly);
  for (int i = 0; i < kKeys; ++i) keys[i].sk_collation = in.index->rd_indcollation[i];
  MemoryContext caller = MemoryContextSwitchTo(in.context);
  index_rescan(in.scan, keys, kKeys, nullptr, 0);
  const bool found = index_getnext_slot(in.scan, ForwardScanDirection, in.found);
  MemoryContextSwitchTo(caller);
  return found;
}

metrics::Moments moments_of(const Datum* values) {
  metrics::Moments moments;
  moments.nonfinite_count = static_cast<std::uint64_t>(DatumGetInt64(values[kStateNonfinite]));
  moments.count =
      static_cast<std::uint64_t>(DatumGetInt64(values[kStateCount])) - moments.nonfinite_count;
  if (moments.count == 0) return moments;
  moments.sum = DatumGetFloat8(values[kStateSum]);
  moments.mean = moments.sum / static_cast<double>(moments.count);
  moments.min = DatumGetFloat8(values[kStateMin]);
  moments.max = DatumGetFloat8(values[kStateMax]);
  moments.m2 = DatumGetFloat8(values[kStateM2]);
  return moments;
}

Held held_of(const States& in, const SeriesTable& table, const Series& series) {
  const std::string& name = table.metric_name(series);
  const Datum metric =
      PointerGetDatum(cstring_to_text_with_len(name.data(), static_cast<int>(name.size())));
  Held held{};
  held.exists = find_state(in, series, metric);
  if (!held.exists) return held;
  slot_getallattrs(in.found);
  const Datum* values = in.found->tts_values;
  const bool* nulls = in.found->tts_isnull;
  held.place = in.found->tts_tid;
  held.moments = moments_of(values);
  if (!nulls[kStateDimensions]) held.dimensions = DatumGetJsonbPCopy(values[kStateDimensions]);
  held.measures = DatumGetJsonbPCopy(values[kStateMeasures]);
  if (!nulls[kStateSketch]) held.sketch = DatumGetByteaPCopy(values[kStateSketch]);
  return held;
}

metrics::Sketch sketch_of(const Held& held) {
  if (held.sketch == nullptr) return {};
  auto sketch = metrics::Sketch::parse({VARDATA_ANY(held.sketch), VARSIZE_ANY_EXHDR(held.sketch)});
  if (!sketch) throw pg::Report(ERRCODE_DATA_CORRUPTED, sketch.error());
  return std::move(sketch).value();
}

void write_state(const States& to, const SeriesRow& row, Held* held) {
  const SharedValues shared = shared_values(row, to.constants);
  if (!held->exists) {
    fill_state(pg::next_row(to.writer), row, shared, to.constants, row.series->dimensions, false);
    return;
  }
  ExecClearTuple(to.changed);
  fill_state(to.changed, row, shared, to.constants, held->dimensions, false);
  ExecStoreVirtualTuple(to.changed);
  pg::update_row(to.writer->table, &held->place, to.changed, to.writer->estate);
}

void update_batch(const States& states, SeriesTable& table, Series* const* batch,
                  std::size_t count) {
  pg::ScratchContext scratch("batch of open series");
  std::vector<Held> held(count);
  pg::call([&] {
    CHECK_FOR_INTERRUPTS();
    for (std::size_t i = 0; i < count; ++i) held[i] = held_of(states, table, *batch[i]);
    ExecClearTuple(states.found);
  });
  std::vector<SeriesRow> rows;
  rows.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (held[i].exists) {
      const metrics::Sketch sketch = sketch_of(held[i]);
      pg::call([&] { table.merge(*batch[i], held[i].moments, sketch, held[i].measures); });
    }
    rows.push_back(series_row_of(table, *batch[i], false));
  }
  pg::call([&] {
    for (std::size_t i = 0; i < count; ++i) write_state(states, rows[i], &held[i]);
    pg::write_rest(states.writer);
  });
}

}  // namespace

bool update_series(SeriesTable& table, const std::vector<Series*>& series) {
  pg::ScratchContext scratch("open series");
  const pg::FreshSnapshot snapshot;
  const States states = pg::call(open_states);
  if (states.writer == nullptr) return false;
  for (std::size_t first = 0; first < series.size(); first += kBatch) {
    update_batch(states, table, &series[first], std::min(kBatch, series.size() - first));
  }
  pg::call([&] { close_states(states); });
  return true;
}

}  // namespace monitoring::rollup
