#include "monitoring/measurements/raw_scan.hpp"

#include "monitoring/measurements/changes.hpp"
#include "monitoring/pg/version.hpp"

extern "C" {
#include <access/heapam.h>
#include <access/htup_details.h>
#include <access/relation.h>
#include <access/tableam.h>
#include <access/xact.h>
#include <catalog/namespace.h>
#include <catalog/partition.h>
#include <catalog/pg_class.h>
#include <catalog/pg_inherits.h>
#include <catalog/pg_type.h>
#include <storage/predicate.h>
#include <utils/lsyscache.h>
#include <utils/snapmgr.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <cstring>
#include <numeric>

namespace monitoring::measurements {

namespace {

[[noreturn]] void refuse(Relation table) {
  ereport(ERROR,
          (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
           errmsg("partition \"%s\" of pipeline_metrics is not a heap table of its shape",
                  RelationGetRelationName(table)),
           errdetail("It must be a heap table of at most %d columns, with metric_name of type "
                     "text, metric_value of double precision, tags of jsonb and timestamp "
                     "of timestamptz.",
                     Partition::kMaxColumns),
           errhint("Detach it, or give it that shape.")));
}

int column(Relation table, const char* name, Oid type) {
  const AttrNumber number = get_attnum(RelationGetRelid(table), name);
  if (number == InvalidAttrNumber) refuse(table);
  if (TupleDescAttr(RelationGetDescr(table), number - 1)->atttypid != type) refuse(table);
  return number - 1;
}

Partition::Columns columns_of(Relation table) {
  if (table->rd_tableam != GetHeapamTableAmRoutine()) refuse(table);
  if (RelationGetNumberOfAttributes(table) > Partition::kMaxColumns) refuse(table);
  Partition::Columns columns{column(table, "metric_name", TEXTOID),
                             column(table, "metric_value", FLOAT8OID),
                             column(table, "tags", JSONBOID),
                             column(table, "timestamp", TIMESTAMPTZOID),
                             0,
                             true};
  columns.last =
      std::max({columns.metric_name, columns.metric_value, columns.tags, columns.timestamp});
  for (int i = 0; i <= columns.last; ++i) {
    if (TupleDescAttr(RelationGetDescr(table), i)->attlen < -1) columns.are_plain = false;
  }
  return columns;
}

std::uint16_t align_mask(char align) {
  switch (align) {
    case TYPALIGN_CHAR:
      return 0;
    case TYPALIGN_SHORT:
      return ALIGNOF_SHORT - 1;
    case TYPALIGN_INT:
      return ALIGNOF_INT - 1;
    default:
      return ALIGNOF_DOUBLE - 1;
  }
}

void read_shapes(TupleDesc columns, Partition::Shape* shapes) {
  for (int i = 0; i < columns->natts; ++i) {
    const Form_pg_attribute column = TupleDescAttr(columns, i);
    shapes[i] = {column->attlen, align_mask(column->attalign)};
  }
}

/// The second cache line of a tuple, which holds its value and its time.
void fetch_ahead(const HeapTupleHeader header) {
  constexpr int kCacheLine = 64;
  __builtin_prefetch(reinterpret_cast<const char*>(header) + kCacheLine);
}

List* leaf_partitions() {
  const Oid table = measurements_table();
  const Oid fallback = get_default_partition_oid(table);
  List* leaves = NIL;
  const ListCell* cell = nullptr;
  foreach (cell, find_all_inheritors(table, AccessShareLock, nullptr)) {
    const Oid oid = lfirst_oid(cell);
    if (get_rel_relkind(oid) == RELKIND_PARTITIONED_TABLE) continue;
    leaves = oid == fallback ? lcons_oid(oid, leaves) : lappend_oid(leaves, oid);
  }
  return leaves;
}

}  // namespace

Oid measurements_table() {
  return get_relname_relid("pipeline_metrics", get_namespace_oid("monitoring", false));
}

std::vector<Oid> measurement_partitions() {
  const List* leaves = pg::call(leaf_partitions);
  std::vector<Oid> partitions;
  const ListCell* cell = nullptr;
  foreach (cell, leaves) partitions.push_back(lfirst_oid(cell));
  return partitions;
}

Partition::Partition(Oid oid) : exceptions_before_(std::uncaught_exceptions()) {
  pg::call([&] {
    table_ = try_relation_open(oid, AccessShareLock);
    if (table_ == nullptr) return;
    columns_ = columns_of(table_);
    read_shapes(RelationGetDescr(table_), shapes_);
    const Oid map = changes_index_of(table_);
    if (OidIsValid(map)) map_ = relation_open(map, AccessShareLock);
  });
}

Partition::~Partition() {
  // After an error the resource owner closes them.
  if (std::uncaught_exceptions() > exceptions_before_) return;
  if (map_ != nullptr) relation_close(map_, NoLock);
  if (table_ != nullptr) relation_close(table_, NoLock);
}

std::uint64_t Partition::file_id() const {
  const std::uint64_t table = RelationGetRelid(table_);
  return table << 32 | pg::file_of(table_);
}

std::vector<BlockNumber> Partition::all_blocks() const {
  std::vector<BlockNumber> blocks(pg::call([&] { return RelationGetNumberOfBlocks(table_); }));
  std::iota(blocks.begin(), blocks.end(), BlockNumber{0});
  return blocks;
}

/// A map page that says that anything may have changed names blocks that are not there. The end is
/// asked for after the map was read: a row that is written behind it is marked anew.
void Partition::fit_to_heap(std::vector<BlockNumber>* blocks) const {
  pg::call([&] {
    const BlockNumber end = RelationGetNumberOfBlocks(table_);
    blocks->erase(std::lower_bound(blocks->begin(), blocks->end(), end), blocks->end());
    for (BlockNumber block = mapped_blocks(map_); block < end; ++block) blocks->push_back(block);
  });
}

std::vector<BlockNumber> Partition::take_changed(std::uint64_t committed,
                                                 std::uint64_t pass) const {
  if (map_ == nullptr) return all_blocks();
  std::vector<BlockNumber> blocks;
  pg::call([&] {
    // Pages that were lost are made anew.
    const BlockNumber end = RelationGetNumberOfBlocks(table_);
    for (BlockNumber block = mapped_blocks(map_); block < end; ++block) mark_block(map_, block);
    take_changed_blocks(map_, committed, pass, &blocks);
  });
  fit_to_heap(&blocks);
  return blocks;
}

std::vector<BlockNumber> Partition::peek_changed(std::uint64_t committed) const {
  if (map_ == nullptr) return all_blocks();
  std::vector<BlockNumber> blocks;
  pg::call([&] { peek_changed_blocks(map_, committed, &blocks); });
  fit_to_heap(&blocks);
  return blocks;
}

void Partition::mark(BlockNumber block) const {
  if (map_ != nullptr) pg::call([&] { mark_block(map_, block); });
}

RawScan::RawScan(const Partition& partition, Snapshot snapshot, const Progress* seen, OwnRows* own)
    : partition_(partition), snapshot_(snapshot), seen_(seen), own_(own) {
  // A big scan must not push everything else out of the buffer cache.
  pg::call([&] {
    strategy_ = GetAccessStrategy(BAS_BULKREAD);
    size_ = RelationGetNumberOfBlocks(partition_.table());
    // As a sequential scan does, so that SERIALIZABLE sees what this read.
    PredicateLockRelation(partition_.table(), snapshot_);
    is_serializable_ = CheckForSerializableConflictOutNeeded(partition_.table(), snapshot_);
  });
}

RawScan::~RawScan() {
  FreeAccessStrategy(strategy_);
}

RawScan::Marks RawScan::marks_of(HeapTupleHeader header) {
  constexpr std::uint16_t kMarks = HEAP_XMIN_FROZEN | HEAP_XMAX_INVALID | HEAP_UPDATED;
  return {HeapTupleHeaderGetRawXmin(header),
          static_cast<std::uint16_t>(header->t_infomask & kMarks)};
}

/// What it says of a row to visit holds for others with the same marks, where marks tell all.
RawScan::Verdict RawScan::judge(HeapTuple tuple, Buffer buffer) {
  constexpr std::uint16_t kSettled = HEAP_XMIN_COMMITTED | HEAP_XMAX_INVALID;
  const HeapTupleHeader header = tuple->t_data;
  const Verdict verdict = judge_anew(tuple, buffer);
  const Marks marks = marks_of(header);
  if (verdict != Verdict::visit || (marks.infomask & kSettled) != kSettled) return verdict;
  if (seen_ == nullptr || seen_->goes_by_transaction(header)) visited_ = marks;
  return verdict;
}

/// Inserted by this transaction, and before the snapshot.
bool RawScan::is_own(HeapTupleHeader header) const {
  return !HeapTupleHeaderXminInvalid(header) &&
         TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetRawXmin(header)) &&
         HeapTupleHeaderGetCmin(header) < snapshot_->curcid;
}

RawScan::Verdict RawScan::judge_anew(HeapTuple tuple, Buffer buffer) const {
  HeapTupleHeader header = tuple->t_data;
  if (HeapTupleHeaderXminInvalid(header)) return Verdict::skip;
  const TransactionId inserter = HeapTupleHeaderGetRawXmin(header);
  const bool own = TransactionIdIsCurrentTransactionId(inserter);
  if (own && HeapTupleHeaderGetCmin(header) >= snapshot_->curcid) return Verdict::unsettled;
  if (!own && !HeapTupleHeaderXminFrozen(header) && XidInMVCCSnapshot(inserter, snapshot_)) {
    return Verdict::unsettled;
  }
  // A new version of an old row is not a new row; its hour is in rollup_corrections.
  if (seen_ != nullptr && (header->t_infomask & HEAP_UPDATED) != 0) return Verdict::skip;
  if (seen_ != nullptr && seen_->has_seen(tuple)) return Verdict::skip;
  return HeapTupleSatisfiesVisibility(tuple, snapshot_, buffer) ? Verdict::visit : Verdict::skip;
}

/// Finds the columns as heap_deform_tuple does, and stops behind the last one that is wanted.
void RawScan::read(HeapTupleHeader header, std::uint32_t length, RawRow* row) const {
  const Partition::Columns& at = partition_.columns();
  const bool has_nulls = (header->t_infomask & HEAP_HASNULL) != 0;
  if (has_nulls || !at.are_plain || HeapTupleHeaderGetNatts(header) <= at.last) {
    return read_whole(header, length, row);
  }
  char* const data = reinterpret_cast<char*>(header) + header->t_hoff;
  const Partition::Shape* shape = partition_.shapes();
  char* places[Partition::kMaxColumns];
  std::uint32_t offset = 0;
  char** const end = places + at.last + 1;
  for (char** place = places; place < end; ++place, ++shape) {
    const bool is_varlena = shape->length < 0;
    // A varlena with a short header is not aligned; bytes in front of another are 0.
    if (!is_varlena || data[offset] == 0) {
      offset = (offset + shape->align_mask) & ~std::uint32_t{shape->align_mask};
    }
    *place = data + offset;
    offset += is_varlena ? VARSIZE_ANY(*place) : static_cast<std::uint32_t>(shape->length);
  }
  row->metric_name = reinterpret_cast<struct varlena*>(places[at.metric_name]);
  row->tags = reinterpret_cast<struct varlena*>(places[at.tags]);
  std::memcpy(&row->metric_value, places[at.metric_value], sizeof row->metric_value);
  std::memcpy(&row->timestamp, places[at.timestamp], sizeof row->timestamp);
}

/// A row with a NULL, or one from before a column was added to a table that somebody attached.
void RawScan::read_whole(HeapTupleHeader header, std::uint32_t length, RawRow* row) const {
  HeapTupleData tuple{};
  tuple.t_data = header;
  tuple.t_len = length;
  Datum values[Partition::kMaxColumns];
  bool nulls[Partition::kMaxColumns];
  heap_deform_tuple(&tuple, RelationGetDescr(partition_.table()), values, nulls);
  const auto pointer = [&](int column) {
    return nulls[column] ? nullptr
                         : reinterpret_cast<struct varlena*>(DatumGetPointer(values[column]));
  };
  const Partition::Columns& at = partition_.columns();
  *row = {pointer(at.metric_name), DatumGetFloat8(values[at.metric_value]), pointer(at.tags),
          DatumGetTimestampTz(values[at.timestamp])};
}

bool RawScan::read_block(BlockNumber block, PageVisitor visit, void* context) {
  return pg::call([&] {
    CHECK_FOR_INTERRUPTS();
    if (block >= size_) return false;
    Buffer buffer =
        ReadBufferExtended(partition_.table(), MAIN_FORKNUM, block, RBM_NORMAL, strategy_);
    struct Found {
      HeapTupleHeader header;
      std::uint32_t length;
    };
    Found found[MaxHeapTuplesPerPage];
    RawRow rows[MaxHeapTuplesPerPage];
    OffsetNumber own[MaxHeapTuplesPerPage];
    int count = 0;
    int own_count = 0;
    bool unsettled = false;

    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    Page page = BufferGetPage(buffer);
    const OffsetNumber last = PageIsNew(page) ? 0 : PageGetMaxOffsetNumber(page);
    HeapTupleData tuple;
    tuple.t_tableOid = RelationGetRelid(partition_.table());
    for (OffsetNumber offset = FirstOffsetNumber; offset <= last; ++offset) {
      ItemId item = PageGetItemId(page, offset);
      if (!ItemIdIsNormal(item)) continue;
      tuple.t_data = reinterpret_cast<HeapTupleHeader>(PageGetItem(page, item));
      tuple.t_len = ItemIdGetLength(item);
      ItemPointerSet(&tuple.t_self, block, offset);
      if (is_serializable_) {
        HeapCheckForSerializableConflictOut(HeapTupleSatisfiesVisibility(&tuple, snapshot_, buffer),
                                            partition_.table(), &tuple, buffer, snapshot_);
      }
      if (own_ != nullptr && is_own(tuple.t_data)) own[own_count++] = offset;
      // Rows come in runs of one transaction.
      const bool is_alike = marks_of(tuple.t_data) == visited_;
      const Verdict verdict = is_alike ? Verdict::visit : judge(&tuple, buffer);
      if (verdict == Verdict::unsettled) unsettled = true;
      if (verdict != Verdict::visit) continue;
      fetch_ahead(tuple.t_data);
      found[count++] = {tuple.t_data, tuple.t_len};
    }
    LockBuffer(buffer, BUFFER_LOCK_UNLOCK);

    // The pin keeps visible rows where they are: a page is compacted under a cleanup lock only.
    for (int i = 0; i < count; ++i) read(found[i].header, found[i].length, &rows[i]);
    for (int i = 0; i < own_count; ++i) own_->add(tuple.t_tableOid, block, own[i]);
    if (count > 0) visit(context, rows, count);
    ReleaseBuffer(buffer);
    return unsettled;
  });
}

}  // namespace monitoring::measurements
