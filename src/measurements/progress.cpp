#include "monitoring/measurements/progress.hpp"

#include "monitoring/pg/prepared.hpp"

extern "C" {
#include <access/htup_details.h>
#include <access/table.h>
#include <access/tableam.h>
#include <access/transam.h>
#include <access/xact.h>
#include <catalog/namespace.h>
#include <catalog/pg_type.h>
#include <executor/tuptable.h>
#include <utils/array.h>
#include <utils/lsyscache.h>
#include <utils/rel.h>
#include <utils/snapmgr.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>

namespace monitoring::measurements {

namespace {

constexpr const char* kSelect =
    "SELECT pass, next_xid, pending_xids, own_xids, own_rows,"
    " partition_files FROM monitoring_internal.rollup_progress";
enum Column : int {
  kPass = 1,
  kNextXid,
  kPendingXids,
  kOwnXids,
  kOwnRows,
  kPartitionFiles,
};

/// An array of bigint, sorted.
std::vector<std::uint64_t> xids_of(Datum value) {
  Datum* elements = nullptr;
  int count = 0;
  pg::call([&] {
    deconstruct_array(DatumGetArrayTypeP(value), INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
                      &elements, nullptr, &count);
  });
  std::vector<std::uint64_t> xids(static_cast<std::size_t>(count));
  std::transform(elements, elements + count, xids.begin(),
                 [](Datum xid) { return static_cast<std::uint64_t>(DatumGetInt64(xid)); });
  std::sort(xids.begin(), xids.end());
  return xids;
}

pg::Param param_of(const std::vector<std::uint64_t>& xids) {
  const Datum array = pg::call([&] {
    auto* elements = static_cast<Datum*>(palloc(sizeof(Datum) * (xids.size() + 1)));
    for (std::size_t i = 0; i < xids.size(); ++i) {
      elements[i] = Int64GetDatum(static_cast<std::int64_t>(xids[i]));
    }
    return PointerGetDatum(construct_array(elements, static_cast<int>(xids.size()), INT8OID, 8,
                                           FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
  });
  return pg::datum(INT8ARRAYOID, array);
}

bool contains(const std::vector<std::uint64_t>& sorted, std::uint64_t xid) {
  return std::binary_search(sorted.begin(), sorted.end(), xid);
}

std::uint64_t widen_against(TransactionId xid, std::uint64_t next) {
  if (!TransactionIdIsNormal(xid)) return xid;
  const std::uint64_t epoch = next >> 32;
  const bool in_epoch_before = xid > static_cast<TransactionId>(next);
  return ((in_epoch_before && epoch > 0 ? epoch - 1 : epoch) << 32) | xid;
}

std::uint64_t read_next_xid() {
  return U64FromFullTransactionId(ReadNextFullTransactionId());
}

TransactionId narrow(std::uint64_t xid) {
  return static_cast<TransactionId>(xid);
}

}  // namespace

std::uint64_t full_transaction_id(TransactionId xid) {
  return widen_against(xid, read_next_xid());
}

Progress Progress::from_row(const pg::Rows& rows) {
  if (rows.empty()) {
    throw pg::Report(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                     "roll-ups are not active in this database")
        .detail("It was restored or copied, and its roll-ups have no baseline here.")
        .hint("Call monitoring.activate() if this copy is to do its own monitoring.");
  }
  const auto raw = [&](Column column) {
    bool is_null = false;
    return rows.raw(0, column, &is_null);
  };
  return from({*rows.int8(0, kPass), *rows.int8(0, kNextXid), raw(kPendingXids), raw(kOwnXids),
               raw(kOwnRows), raw(kPartitionFiles)});
}

Progress Progress::from(const Stored& stored) {
  Progress progress;
  progress.pass_ = static_cast<std::uint64_t>(stored.pass);
  progress.next_xid_ = static_cast<std::uint64_t>(stored.next_xid);
  progress.pending_ = xids_of(stored.pending_xids);
  progress.own_ = xids_of(stored.own_xids);
  progress.own_rows_ = OwnRows::of(stored.own_rows);
  progress.files_ = xids_of(stored.partition_files);
  progress.server_next_xid_ = pg::call(read_next_xid);
  return progress;
}

/// Under pg::call. Leaves copies in the current memory context.
bool Progress::read_directly(Stored* stored) {
  const Oid oid =
      get_relname_relid("rollup_progress", get_namespace_oid("monitoring_internal", false));
  Relation table = table_open(oid, AccessShareLock);
  Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
  TableScanDesc scan = table_beginscan(table, snapshot, 0, nullptr);
  TupleTableSlot* slot = table_slot_create(table, nullptr);
  const bool is_there = table_scan_getnextslot(scan, ForwardScanDirection, slot);
  const auto value = [&](const char* column) {
    bool is_null = false;
    return slot_getattr(slot, get_attnum(oid, column), &is_null);
  };
  const auto copy = [&](const char* column) {
    return PointerGetDatum(PG_DETOAST_DATUM_COPY(value(column)));
  };
  if (is_there) {
    *stored = {DatumGetInt64(value("pass")),
               DatumGetInt64(value("next_xid")),
               copy("pending_xids"),
               copy("own_xids"),
               copy("own_rows"),
               copy("partition_files")};
  }
  ExecDropSingleTupleTableSlot(slot);
  table_endscan(scan);
  UnregisterSnapshot(snapshot);
  table_close(table, AccessShareLock);
  return is_there;
}

std::optional<Progress> Progress::read_directly() {
  Stored stored{};
  if (!pg::call([&] { return read_directly(&stored); })) return std::nullopt;
  return from(stored);
}

Progress Progress::read(pg::Spi& spi) {
  static pg::Prepared statement(kSelect, {});
  return from_row(statement.read(spi));
}

Progress Progress::lock(pg::Spi& spi) {
  return from_row(spi.query((std::string(kSelect) + " FOR UPDATE").c_str()));
}

Progress Progress::after(Snapshot snapshot) const {
  Progress next = *this;
  next.pass_ = pass_ + 1;
  next.server_next_xid_ = pg::call(read_next_xid);
  next.next_xid_ = widen_against(snapshot->xmax, next.server_next_xid_);
  next.pending_.clear();
  next.own_.clear();
  next.files_.clear();

  const auto sort_in = [&](std::uint64_t xid) {
    pg::call([&] { CHECK_FOR_INTERRUPTS(); });
    if (TransactionIdIsCurrentTransactionId(narrow(xid))) {
      next.own_.push_back(xid);
    } else if (xid < next.next_xid_ &&
               pg::call([&] { return XidInMVCCSnapshot(narrow(xid), snapshot); })) {
      next.pending_.push_back(xid);
    }
  };
  std::vector<std::uint64_t> older;
  std::merge(pending_.begin(), pending_.end(), own_.begin(), own_.end(), std::back_inserter(older));
  for (const std::uint64_t xid : older) {
    if (xid < next_xid_) sort_in(xid);
  }
  // Ids of this transaction may lie beyond the snapshot's xmax: go up to the newest there is.
  const std::uint64_t oldest = widen_against(snapshot->xmin, next.server_next_xid_);
  for (std::uint64_t xid = std::max(next_xid_, oldest); xid < next.server_next_xid_; ++xid) {
    if (TransactionIdIsNormal(narrow(xid))) sort_in(xid);
  }
  // What the last pass saw of its own transaction goes on to be told apart in that one alone.
  const bool is_same_transaction = std::any_of(
      own_.begin(), own_.end(), [&](std::uint64_t xid) { return contains(next.own_, xid); });
  if (!is_same_transaction) next.own_rows_.clear();
  return next;
}

Progress Progress::up_to(TransactionId xid) const {
  Progress other;
  other.server_next_xid_ = server_next_xid_;
  other.next_xid_ = widen(xid) + 1;
  return other;
}

Progress Progress::baseline(Snapshot snapshot) {
  return Progress().after(snapshot);
}

void Progress::save(pg::Spi& spi) const {
  spi.execute(
      "INSERT INTO monitoring_internal.rollup_progress AS p"
      " (pass, next_xid, pending_xids, own_xids, own_rows, partition_files, last_run_at)"
      " VALUES ($1, $2, $3, $4, $5, $6, pg_catalog.clock_timestamp())"
      " ON CONFLICT (singleton) DO UPDATE SET pass = excluded.pass, next_xid = excluded.next_xid,"
      " pending_xids = excluded.pending_xids, own_xids = excluded.own_xids,"
      " own_rows = excluded.own_rows, partition_files = excluded.partition_files,"
      " last_run_at = excluded.last_run_at",
      {pg::int8(static_cast<std::int64_t>(pass_)), pg::int8(static_cast<std::int64_t>(next_xid_)),
       param_of(pending_), param_of(own_), own_rows_.param(), param_of(files_)});
}

Progress::File Progress::file_of(std::uint64_t file_id) const {
  const std::uint64_t partition = file_id >> 32 << 32;
  const auto found = std::lower_bound(files_.begin(), files_.end(), partition);
  if (found == files_.end() || *found >> 32 != file_id >> 32) return File::unknown;
  return *found == file_id ? File::same : File::other;
}

void Progress::remember_file(std::uint64_t file_id) {
  files_.insert(std::lower_bound(files_.begin(), files_.end(), file_id), file_id);
}

bool Progress::has_seen_all_of(std::uint64_t xid) const {
  return xid < next_xid_ && !contains(pending_, xid) && !contains(own_, xid);
}

pg::Param Progress::not_seen_before_next() const {
  std::vector<std::uint64_t> xids = pending_;
  xids.insert(xids.end(), own_.begin(), own_.end());
  return param_of(xids);
}

std::uint64_t Progress::widen(TransactionId xid) const {
  return widen_against(xid, server_next_xid_);
}

bool Progress::goes_by_transaction(HeapTupleHeader tuple) const {
  return own_.empty() || !contains(own_, widen(HeapTupleHeaderGetRawXmin(tuple)));
}

bool Progress::has_seen(HeapTuple tuple) const {
  if (!goes_by_transaction(tuple->t_data))
    return own_rows_.contains(tuple->t_tableOid, tuple->t_self);
  return has_seen_all_of(widen(HeapTupleHeaderGetRawXmin(tuple->t_data)));
}

}  // namespace monitoring::measurements
