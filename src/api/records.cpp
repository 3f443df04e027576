// SQL entry points of the record ring: record_metric, flush_records, record_status.

#include "monitoring/pg/arguments.hpp"

extern "C" {
#include <access/xact.h>
#include <funcapi.h>
#include <utils/jsonb.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>

#include "api/standby.hpp"
#include "monitoring/measurements/records.hpp"
#include "monitoring/pg/settings.hpp"
#include "monitoring/shmem/record_ring.hpp"
#include "monitoring/shmem/worker_slots.hpp"

using namespace monitoring;
using api::refuse_on_standby;

namespace {

constexpr std::size_t kFlushRows = 8192;
constexpr int64 kFlushTimeoutS = 30;

/// A text as it is, if it is neither compressed nor elsewhere: no need for the guard of a call.
const text* text_argument(FunctionCallInfo fcinfo, int index) {
  const auto* value = reinterpret_cast<const text*>(DatumGetPointer(PG_GETARG_DATUM(index)));
  if (!VARATT_IS_EXTERNAL(value) && !VARATT_IS_COMPRESSED(value)) return value;
  return pg::call([&] { return DatumGetTextPP(PG_GETARG_DATUM(index)); });
}

/// The same; a jsonb is read only with a four-byte header.
const Jsonb* jsonb_argument(FunctionCallInfo fcinfo, int index) {
  const auto* value = reinterpret_cast<const Jsonb*>(DatumGetPointer(PG_GETARG_DATUM(index)));
  if (VARATT_IS_4B_U(value)) return value;
  return pg::call([&] { return DatumGetJsonbP(PG_GETARG_DATUM(index)); });
}

/// The tags as the bytes of a jsonb with a four-byte header.
std::optional<std::string_view> tags_argument(FunctionCallInfo fcinfo, int index) {
  if (PG_ARGISNULL(index)) return std::nullopt;
  const Jsonb* tags = jsonb_argument(fcinfo, index);
  pg::require_object(tags, "tags", R"({"queue": "emails"})");
  return std::string_view(reinterpret_cast<const char*>(tags), VARSIZE(tags));
}

metrics::Record record_arguments(FunctionCallInfo fcinfo) {
  pg::require(fcinfo, 0, "metric_name");
  pg::require(fcinfo, 1, "metric_value");
  const text* name = text_argument(fcinfo, 0);
  metrics::Record record;
  record.name = {VARDATA_ANY(name), static_cast<std::size_t>(VARSIZE_ANY_EXHDR(name))};
  if (record.name.empty()) {
    throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, "metric_name must not be empty");
  }
  record.value = PG_GETARG_FLOAT8(1);
  record.tags = tags_argument(fcinfo, 2);
  record.recorded_at = PG_ARGISNULL(3) ? GetCurrentTimestamp() : PG_GETARG_TIMESTAMPTZ(3);
  return record;
}

void warn_that_it_is_not_preloaded() {
  static bool warned = false;
  if (warned) return;
  warned = true;
  pg::call([] {
    ereport(WARNING, errmsg("measurements are inserted directly"),
            errdetail("The calling transaction waits for the disk, and takes them along when it "
                      "rolls back."),
            errhint("Add monitoring to shared_preload_libraries."));
  });
}

void record_or_give_up(const metrics::Record& record) {
  const std::size_t size = metrics::record_size(record);
  if (size > shmem::kLongestRecord) {
    throw pg::Report(ERRCODE_PROGRAM_LIMIT_EXCEEDED, "measurement is too large to record")
        .detail("It takes " + std::to_string(size) + " bytes; the limit is " +
                std::to_string(shmem::kLongestRecord) + " bytes.")
        .hint("Insert it into monitoring.pipeline_metrics.");
  }
  if (shmem::record(record) == shmem::RecordOutcome::recorded) return;
  if (pg::settings().on_full == pg::kInsertWhenFull) return measurements::insert_record(record);
  shmem::count_dropped();
}

/// Whether a worker of this database drains now.
bool worker_drains() {
  const auto slots = shmem::all_slots();
  return std::any_of(slots.begin(), slots.end(), [](const shmem::WorkerSlot& slot) {
    return slot.database == MyDatabaseId && slot.role == shmem::Role::worker && slot.pid != 0 &&
           slot.activity == shmem::Activity::running && !slot.pause_requested;
  });
}

/// True when the worker has released everything up to `end`; false when it is gone.
bool wait_for_worker(shmem::RecordPosition end) {
  constexpr long kLookEveryMs = 100;
  const TimestampTz deadline = GetCurrentTimestamp() + kFlushTimeoutS * USECS_PER_SEC;
  while (!shmem::released(end)) {
    if (!worker_drains()) return false;
    if (GetCurrentTimestamp() > deadline) {
      throw pg::Report(ERRCODE_OBJECT_IN_USE, "the worker did not write the recorded measurements")
          .detail("It was asked " + std::to_string(kFlushTimeoutS) + " s ago.")
          .hint("See monitoring.worker_status; a transaction may hold a lock on the table.");
    }
    shmem::request_drain();
    pg::call([&] { shmem::wait_for_release(kLookEveryMs); });
  }
  return true;
}

}  // namespace

/// monitoring.record_metric(metric_name, metric_value, tags, recorded_at)
MONITORING_FUNCTION(monitoring_record_metric) {
  refuse_on_standby("record_metric()");
  const metrics::Record record = record_arguments(fcinfo);
  if (shmem::ring_available()) {
    record_or_give_up(record);
  } else {
    warn_that_it_is_not_preloaded();
    measurements::insert_record(record);
  }
  PG_RETURN_VOID();
}

/// monitoring.flush_records() -> bigint
MONITORING_FUNCTION(monitoring_flush_records) {
  api::refuse_in_read_only("flush_records()");
  if (!shmem::ring_available()) PG_RETURN_INT64(0);
  const shmem::RecordPosition end = shmem::end_of_records();
  if (!measurements::has_drained() && worker_drains()) {
    const std::uint64_t before = shmem::ring_status().counters.drained;
    const bool done = wait_for_worker(end);
    shmem::stop_waiting();
    if (done) PG_RETURN_INT64(static_cast<int64>(shmem::ring_status().counters.drained - before));
  }
  // No worker: this transaction takes them out, and gives them back if it rolls back.
  std::uint64_t rows = 0;
  measurements::DrainResult result;
  do {
    result = measurements::drain_records(kFlushRows, measurements::IfBusy::wait);
    rows += result.rows;
  } while (result.more);
  PG_RETURN_INT64(static_cast<int64>(rows));
}

/// monitoring_internal.record_status() -> one row, in the order of the view's columns
MONITORING_FUNCTION(monitoring_record_status) {
  constexpr int kFields = 7;
  Datum values[kFields] = {};
  bool nulls[kFields] = {};
  if (shmem::ring_available()) {
    const shmem::RingStatus status = shmem::ring_status();
    const std::uint64_t fields[kFields] = {status.waiting_bytes,    status.counters.drained,
                                           status.counters.dropped, status.counters.rejected,
                                           status.counters.lost,    status.used_bytes,
                                           status.size_bytes};
    std::transform(std::begin(fields), std::end(fields), values,
                   [](std::uint64_t field) { return Int64GetDatum(static_cast<int64>(field)); });
  } else {
    std::fill(std::begin(nulls), std::end(nulls), true);
  }
  return pg::call([&] {
    TupleDesc columns = nullptr;
    get_call_result_type(fcinfo, nullptr, &columns);
    return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(columns), values, nulls));
  });
}
