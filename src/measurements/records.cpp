#include "monitoring/measurements/records.hpp"

#include "monitoring/pg/spi.hpp"
#include "monitoring/pg/transaction.hpp"

extern "C" {
#include <access/xact.h>
#include <catalog/pg_extension.h>
#include <catalog/pg_type.h>
#include <commands/extension.h>
#include <storage/lock.h>
#include <utils/array.h>
#include <utils/builtins.h>
#include <utils/syscache.h>
}
// clang-format keeps the server's headers first.
#include <vector>

#include "measurements/bulk_insert.hpp"
#include "monitoring/shmem/record_ring.hpp"
#include "monitoring/shmem/registry.hpp"

namespace monitoring::measurements {

namespace {

constexpr const char* kInsertOne =
    "INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, \"timestamp\") "
    "VALUES ($1, $2, $3, $4)";

// --- What this transaction has drained, and what its end means for the ring ----------------------

struct Drained {
  int level;  ///< nesting level of the subtransaction whose end decides
  shmem::RecordPosition until;
  std::uint64_t inserted;
  std::uint64_t rejected;
};

/// In order; empty outside of a transaction that drains. Lives as long as the process.
std::vector<Drained>& drained() {
  static auto* const list = new std::vector<Drained>;
  return *list;
}

void release_all() {
  if (drained().empty()) return;
  std::uint64_t inserted = 0;
  std::uint64_t rejected = 0;
  for (const Drained& part : drained()) {
    inserted += part.inserted;
    rejected += part.rejected;
  }
  shmem::release_records(drained().back().until, inserted, rejected);
  drained().clear();
}

void refuse_prepare() {
  if (drained().empty()) return;
  throw pg::Report(ERRCODE_FEATURE_NOT_SUPPORTED,
                   "cannot PREPARE a transaction that has flushed recorded measurements");
}

void on_transaction_end(XactEvent event, void*) {
  switch (event) {
    case XACT_EVENT_COMMIT:
      return release_all();
    case XACT_EVENT_ABORT:
      return drained().clear();
    case XACT_EVENT_PRE_PREPARE:
      return pg::enter(refuse_prepare);
    default:
      return;
  }
}

void on_subtransaction_end(SubXactEvent event, SubTransactionId, SubTransactionId, void*) {
  const int level = GetCurrentTransactionNestLevel();
  if (event == SUBXACT_EVENT_ABORT_SUB) {
    while (!drained().empty() && drained().back().level >= level) drained().pop_back();
  }
  if (event == SUBXACT_EVENT_COMMIT_SUB) {
    for (Drained& part : drained()) part.level = std::min(part.level, level - 1);
  }
}

void note_drained(const Drained& part) {
  static bool registered = false;
  if (!registered) {
    pg::call([] {
      RegisterXactCallback(on_transaction_end, nullptr);
      RegisterSubXactCallback(on_subtransaction_end, nullptr);
    });
    registered = true;
  }
  drained().push_back(part);
}

// --- The drain lock ------------------------------------------------------------------------------

/// Held to the end of the transaction. It is on the extension, with an object number that the
/// server never uses there, so that it is in nobody's way.
bool take_drain_lock(IfBusy if_busy) {
  return pg::call([&] {
    LOCKTAG tag;
    SET_LOCKTAG_OBJECT(tag, MyDatabaseId, ExtensionRelationId,
                       get_extension_oid("monitoring", false), 1);
    const bool dont_wait = if_busy == IfBusy::leave;
    return LockAcquire(&tag, ExclusiveLock, false, dont_wait) != LOCKACQUIRE_NOT_AVAIL;
  });
}

// --- Inserting -----------------------------------------------------------------------------------

/// The ring holds names as the database has them.
pg::Param name_of(const metrics::Record& record) {
  const std::string_view name = record.name;
  return pg::datum(TEXTOID, pg::call([&] {
                     return PointerGetDatum(
                         cstring_to_text_with_len(name.data(), static_cast<int>(name.size())));
                   }));
}

pg::Param tags_of(const metrics::Record& record) {
  if (!record.tags) return pg::null_of(JSONBOID);
  return pg::datum(JSONBOID, PointerGetDatum(record.tags->data()));
}

Datum array_of(const std::vector<pg::Param>& values, Oid type, int length, bool by_value) {
  return pg::call([&] {
    const int count = static_cast<int>(values.size());
    auto* datums = static_cast<Datum*>(palloc(count * sizeof(Datum)));
    auto* nulls = static_cast<bool*>(palloc(count * sizeof(bool)));
    for (int i = 0; i < count; ++i) {
      datums[i] = values[i].value;
      nulls[i] = values[i].is_null;
    }
    int lower = 1;
    int size = count;
    const char alignment = length < 0 ? TYPALIGN_INT : TYPALIGN_DOUBLE;
    return PointerGetDatum(
        construct_md_array(datums, nulls, 1, &size, &lower, type, length, by_value, alignment));
  });
}

/// For a table that users have changed: whatever they have added applies.
void insert_by_sql(const std::vector<metrics::Record>& records) {
  std::vector<pg::Param> columns[4];
  for (const metrics::Record& record : records) {
    columns[0].push_back(name_of(record));
    columns[1].push_back(pg::float8(record.value));
    columns[2].push_back(tags_of(record));
    columns[3].push_back(pg::datum(TIMESTAMPTZOID, TimestampTzGetDatum(record.recorded_at)));
  }
  pg::Spi spi;
  spi.execute(
      "INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, \"timestamp\") "
      "SELECT * FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), "
      "pg_catalog.unnest($3), pg_catalog.unnest($4))",
      {pg::datum(TEXTARRAYOID, array_of(columns[0], TEXTOID, -1, false)),
       pg::datum(FLOAT8ARRAYOID, array_of(columns[1], FLOAT8OID, 8, FLOAT8PASSBYVAL)),
       pg::datum(JSONBARRAYOID, array_of(columns[2], JSONBOID, -1, false)),
       pg::datum(TIMESTAMPTZARRAYOID, array_of(columns[3], TIMESTAMPTZOID, 8, FLOAT8PASSBYVAL))});
}

/// Whether it is the measurement that is refused, rather than the server that has trouble.
bool is_about_the_row(const pg::PgError& error) {
  const int category = ERRCODE_TO_CATEGORY(error.sqlstate());
  return category == ERRCODE_DATA_EXCEPTION || category == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION ||
         category == ERRCODE_PLPGSQL_ERROR;
}

/// Returns how many were inserted; the others were refused.
std::uint64_t insert_one_by_one(const std::vector<metrics::Record>& records) {
  std::uint64_t inserted = 0;
  for (const metrics::Record& record : records) {
    const auto error = pg::attempt([&] { insert_record(record); });
    if (error && !is_about_the_row(*error)) throw *error;
    inserted += error ? 0 : 1;
  }
  return inserted;
}

}  // namespace

void insert_record(const metrics::Record& record) {
  pg::Spi spi;
  spi.execute(kInsertOne, {name_of(record), pg::float8(record.value), tags_of(record),
                           pg::datum(TIMESTAMPTZOID, TimestampTzGetDatum(record.recorded_at))});
}

std::uint64_t insert_records(const std::vector<metrics::Record>& records) {
  const auto error = pg::attempt([&] {
    if (!insert_in_bulk(records.data(), records.size())) insert_by_sql(records);
  });
  if (!error) return records.size();
  if (!is_about_the_row(*error)) throw *error;
  return insert_one_by_one(records);
}

bool has_drained() {
  return !drained().empty();
}

DrainResult drain_records(std::size_t most_rows, IfBusy if_busy) {
  if (!take_drain_lock(if_busy)) return {0, false, true};
  const shmem::RecordPosition from =
      drained().empty() ? shmem::RecordPosition{0, 0} : drained().back().until;
  shmem::WaitingRecords waiting(from);
  std::vector<metrics::Record> records;
  metrics::Record record;
  while (records.size() < most_rows && waiting.next(&record)) records.push_back(record);
  if (records.empty()) return {};

  const shmem::RecordPosition until = waiting.position();
  const std::uint64_t inserted = insert_records(records);
  note_drained({GetCurrentTransactionNestLevel(), until, inserted, records.size() - inserted});
  return {inserted, waiting.next(&record)};
}

void discard_gone_databases() {
  const auto is_gone = [](Oid database) {
    return !pg::call(
        [&] { return SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(database)); });
  };
  for (const Oid database : shmem::databases_with_records()) {
    if (is_gone(database)) shmem::discard_records(database);
  }
  for (const Oid database : shmem::databases_with_metrics()) {
    if (is_gone(database)) shmem::discard_metrics(database);
  }
}

}  // namespace monitoring::measurements
