// The index access method monitoring_changes. Format and protocol: FORMAT-changes.md.

#include "monitoring/measurements/changes.hpp"

#include "monitoring/pg/version.hpp"

extern "C" {
#include <access/amapi.h>
#include <access/generic_xlog.h>
#include <access/tableam.h>
#include <access/xloginsert.h>
#include <commands/defrem.h>
#include <commands/vacuum.h>
#include <miscadmin.h>
#include <nodes/execnodes.h>
#include <storage/bufmgr.h>
#include <storage/lmgr.h>
}
// clang-format keeps the server's headers first.
#include <cstring>
#include <type_traits>

namespace monitoring::measurements {

namespace {

constexpr std::uint32_t kMagic = 0x4d4f4e43;
constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kBytes = 4000;
constexpr BlockNumber kBlocksPerPage = kBytes * 8;

struct MetaPage {
  std::uint32_t magic;
  std::uint32_t version;
};

struct MapPage {
  std::uint64_t pass;
  std::uint8_t changed[kBytes];
  std::uint8_t taken[kBytes];
};
static_assert(std::is_trivially_copyable_v<MapPage>);
static_assert(sizeof(MapPage) + MAXALIGN(SizeOfPageHeaderData) <= BLCKSZ);

BlockNumber map_block_of(BlockNumber heap_block) {
  return 1 + heap_block / kBlocksPerPage;
}

MapPage* map_of(Page page) {
  return reinterpret_cast<MapPage*>(PageGetContents(page));
}

bool bit_is_set(const std::uint8_t* bits, BlockNumber heap_block) {
  const BlockNumber bit = heap_block % kBlocksPerPage;
  return (bits[bit / 8] & (1U << (bit % 8))) != 0;
}

void set_bit(std::uint8_t* bits, BlockNumber heap_block) {
  const BlockNumber bit = heap_block % kBlocksPerPage;
  bits[bit / 8] = static_cast<std::uint8_t>(bits[bit / 8] | (1U << (bit % 8)));
}

/// Generic WAL leaves out what lies between pd_lower and pd_upper.
void end_content_after(Page page, std::size_t bytes) {
  reinterpret_cast<PageHeader>(page)->pd_lower =
      static_cast<LocationIndex>(PageGetContents(page) - page + bytes);
}

void init_meta_page(Page page) {
  PageInit(page, BLCKSZ, 0);
  *reinterpret_cast<MetaPage*>(PageGetContents(page)) = {kMagic, kVersion};
  end_content_after(page, sizeof(MetaPage));
}

void init_map_page(Page page) {
  PageInit(page, BLCKSZ, 0);
  std::memset(PageGetContents(page), 0, sizeof(MapPage));
  end_content_after(page, sizeof(MapPage));
}

/// In place of a page whose content is not known: everything may have changed.
void init_lost_map_page(Page page) {
  init_map_page(page);
  std::memset(map_of(page)->changed, 0xff, kBytes);
}

/// Gives a page its content; the caller holds its exclusive lock.
void write_fresh(Relation index, Buffer buffer, void (*init)(Page)) {
  GenericXLogState* log = GenericXLogStart(index);
  init(GenericXLogRegisterBuffer(log, buffer, GENERIC_XLOG_FULL_IMAGE));
  GenericXLogFinish(log);
}

/// Appends one page; the caller holds the relation extension lock. A crash before the record of its
/// content is flushed leaves a page of zeros: whoever meets one takes it as new (PageIsNew).
void append_page(Relation index, void (*init)(Page)) {
  // Locked before anybody else can find it.
  Buffer buffer = ReadBufferExtended(index, MAIN_FORKNUM, P_NEW, RBM_ZERO_AND_LOCK, nullptr);
  write_fresh(index, buffer, init);
  UnlockReleaseBuffer(buffer);
}

void extend_to(Relation index, BlockNumber map_block) {
  LockRelationForExtension(index, ExclusiveLock);
  for (BlockNumber block = RelationGetNumberOfBlocks(index); block <= map_block; ++block) {
    append_page(index, block == 0 ? init_meta_page : init_map_page);
  }
  UnlockRelationForExtension(index, ExclusiveLock);
}

/// Makes sure that the map has this block. Asking for a relation's size is a system call, too dear
/// for every row; but a map only grows, so a size once seen, kept with the relcache entry, holds.
void ensure_map_block(Relation index, BlockNumber map_block) {
  auto* known_size = static_cast<BlockNumber*>(index->rd_amcache);
  if (known_size != nullptr && map_block < *known_size) return;
  if (map_block >= RelationGetNumberOfBlocks(index)) extend_to(index, map_block);
  if (known_size == nullptr) {
    known_size =
        static_cast<BlockNumber*>(MemoryContextAlloc(index->rd_indexcxt, sizeof(BlockNumber)));
    index->rd_amcache = known_size;
  }
  *known_size = map_block + 1;
}

void set_changed_bit(Relation index, Buffer buffer, BlockNumber heap_block) {
  LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
  if (PageIsNew(BufferGetPage(buffer))) write_fresh(index, buffer, init_lost_map_page);
  if (!bit_is_set(map_of(BufferGetPage(buffer))->changed, heap_block)) {
    GenericXLogState* log = GenericXLogStart(index);
    set_bit(map_of(GenericXLogRegisterBuffer(log, buffer, 0))->changed, heap_block);
    GenericXLogFinish(log);
  }
  LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
}

/// lock: exclusive writes a meta page that a crash has left new; to readers such a one is no fault.
void check_version(Relation index, int lock) {
  Buffer buffer = ReadBuffer(index, 0);
  LockBuffer(buffer, lock);
  const bool is_new = PageIsNew(BufferGetPage(buffer));
  if (is_new && lock == BUFFER_LOCK_EXCLUSIVE) write_fresh(index, buffer, init_meta_page);
  const MetaPage meta = *reinterpret_cast<MetaPage*>(PageGetContents(BufferGetPage(buffer)));
  UnlockReleaseBuffer(buffer);
  if (is_new || (meta.magic == kMagic && meta.version == kVersion)) return;
  ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED),
                  errmsg("index \"%s\" is not a map of changed blocks of version %u",
                         RelationGetRelationName(index), kVersion),
                  errhint("Run REINDEX INDEX monitoring.%s.", RelationGetRelationName(index))));
}

void append_set_bits(const std::uint8_t* bits, BlockNumber first,
                     std::vector<BlockNumber>* blocks) {
  for (std::uint32_t byte = 0; byte < kBytes; ++byte) {
    if (bits[byte] == 0) continue;
    for (std::uint32_t bit = 0; bit < 8; ++bit) {
      if ((bits[byte] & (1U << bit)) != 0) blocks->push_back(first + byte * 8 + bit);
    }
  }
}

/// What a pass has to look at on this page: changed, and taken by a pass that did not commit.
/// False if there is nothing. To an old snapshot several passes may not have committed, of which
/// the page names the last only: then any block may be due. So it may where the page is new: a
/// crash has no committed row there, but a page that was lost otherwise may have had some.
bool find_due(Page page, std::uint64_t committed_pass, std::uint8_t* due) {
  const MapPage& map = *map_of(page);
  if (PageIsNew(page) || map.pass > committed_pass + 1) {
    std::memset(due, 0xff, kBytes);
    return true;
  }
  const bool taken_is_due = map.pass > committed_pass;
  std::uint8_t any = 0;
  for (std::uint32_t byte = 0; byte < kBytes; ++byte) {
    due[byte] = static_cast<std::uint8_t>(map.changed[byte] | (taken_is_due ? map.taken[byte] : 0));
    any = static_cast<std::uint8_t>(any | due[byte]);
  }
  return any != 0;
}

void take_page(Relation index, Buffer buffer, const std::uint8_t* due, std::uint64_t pass) {
  if (PageIsNew(BufferGetPage(buffer))) write_fresh(index, buffer, init_map_page);
  GenericXLogState* log = GenericXLogStart(index);
  MapPage* map = map_of(GenericXLogRegisterBuffer(log, buffer, 0));
  std::memcpy(map->taken, due, kBytes);
  std::memset(map->changed, 0, kBytes);
  map->pass = pass;
  GenericXLogFinish(log);
}

/// Calls visit(buffer, due bits) with the page locked, for every page with something due, and
/// appends the due blocks.
template <class Visit>
void collect_due(Relation index, std::uint64_t committed_pass, int lock,
                 std::vector<BlockNumber>* blocks, Visit visit) {
  const BlockNumber pages = RelationGetNumberOfBlocks(index);
  if (pages > 0) check_version(index, lock);
  std::uint8_t due[kBytes];
  for (BlockNumber page = 1; page < pages; ++page) {
    CHECK_FOR_INTERRUPTS();
    Buffer buffer = ReadBuffer(index, page);
    LockBuffer(buffer, lock);
    if (find_due(BufferGetPage(buffer), committed_pass, due)) {
      append_set_bits(due, (page - 1) * kBlocksPerPage, blocks);
      visit(buffer, due);
    }
    UnlockReleaseBuffer(buffer);
  }
}

}  // namespace

Oid changes_index_of(Relation table) {
  const Oid method = get_index_am_oid("monitoring_changes", true);
  List* indexes = RelationGetIndexList(table);
  Oid found = InvalidOid;
  ListCell* cell = nullptr;
  foreach (cell, indexes) {
    Relation index = RelationIdGetRelation(lfirst_oid(cell));
    if (index == nullptr) continue;
    if (index->rd_rel->relam == method) found = RelationGetRelid(index);
    RelationClose(index);
    if (OidIsValid(found)) break;
  }
  list_free(indexes);
  return found;
}

void take_changed_blocks(Relation index, std::uint64_t committed_pass, std::uint64_t this_pass,
                         std::vector<BlockNumber>* blocks) {
  collect_due(
      index, committed_pass, BUFFER_LOCK_EXCLUSIVE, blocks,
      [&](Buffer buffer, const std::uint8_t* due) { take_page(index, buffer, due, this_pass); });
}

void peek_changed_blocks(Relation index, std::uint64_t committed_pass,
                         std::vector<BlockNumber>* blocks) {
  collect_due(index, committed_pass, BUFFER_LOCK_SHARE, blocks, [](Buffer, const std::uint8_t*) {});
}

BlockNumber mapped_blocks(Relation index) {
  const BlockNumber pages = RelationGetNumberOfBlocks(index);
  return pages == 0 ? 0 : (pages - 1) * kBlocksPerPage;
}

void mark_block(Relation index, BlockNumber block) {
  const BlockNumber map_block = map_block_of(block);
  ensure_map_block(index, map_block);
  Buffer buffer = ReadBuffer(index, map_block);
  // The row must be in the heap before the bit is read: a pass clears the bit, then reads the heap.
  pg_memory_barrier();
  if (!bit_is_set(map_of(BufferGetPage(buffer))->changed, block)) {
    set_changed_bit(index, buffer, block);
  }
  ReleaseBuffer(buffer);
}

namespace {

bool changes_insert(Relation index, Datum*, bool*, ItemPointer row, Relation, IndexUniqueCheck,
                    bool, IndexInfo*) {
  mark_block(index, ItemPointerGetBlockNumber(row));
  return false;
}

void build_row(Relation index, ItemPointer row, Datum*, bool*, bool, void* last) {
  auto* last_block = static_cast<BlockNumber*>(last);
  const BlockNumber block = ItemPointerGetBlockNumber(row);
  if (block == *last_block) return;
  *last_block = block;
  mark_block(index, block);
}

IndexBuildResult* changes_build(Relation table, Relation index, IndexInfo* info) {
  extend_to(index, 0);
  BlockNumber last = InvalidBlockNumber;
  const double rows =
      table_index_build_scan(table, index, info, true, true, build_row, &last, nullptr);
  auto* result = static_cast<IndexBuildResult*>(palloc0(sizeof(IndexBuildResult)));
  result->heap_tuples = rows;
  result->index_tuples = rows;
  return result;
}

/// An unlogged table's init fork: the meta page, copied over the index after a crash.
void changes_build_empty(Relation index) {
  Buffer buffer = ReadBufferExtended(index, INIT_FORKNUM, P_NEW, RBM_ZERO_AND_LOCK, nullptr);
  START_CRIT_SECTION();
  init_meta_page(BufferGetPage(buffer));
  MarkBufferDirty(buffer);
  log_newpage_buffer(buffer, true);
  END_CRIT_SECTION();
  UnlockReleaseBuffer(buffer);
}

IndexBulkDeleteResult* statistics(IndexVacuumInfo* info, IndexBulkDeleteResult* stats) {
  if (stats == nullptr) {
    stats = static_cast<IndexBulkDeleteResult*>(palloc0(sizeof(IndexBulkDeleteResult)));
  }
  stats->num_pages = RelationGetNumberOfBlocks(info->index);
  stats->num_index_tuples = info->num_heap_tuples;
  stats->estimated_count = info->estimated_count;
  return stats;
}

/// Blocks, not rows, are kept: there is nothing to delete.
IndexBulkDeleteResult* changes_bulk_delete(IndexVacuumInfo* info, IndexBulkDeleteResult* stats,
                                           IndexBulkDeleteCallback, void*) {
  return statistics(info, stats);
}

IndexBulkDeleteResult* changes_vacuum_cleanup(IndexVacuumInfo* info, IndexBulkDeleteResult* stats) {
  return info->analyze_only ? stats : statistics(info, stats);
}

/// The planner makes no path for an index without operators; should it ask, it is told never.
void changes_cost(struct PlannerInfo*, struct IndexPath*, double, Cost* startup, Cost* total,
                  Selectivity* selectivity, double* correlation, double* pages) {
  *startup = *total = 1.0e300;
  *selectivity = 1.0;
  *correlation = 0.0;
  *pages = 0.0;
}

bytea* changes_options(Datum, bool) {
  return nullptr;
}

bool changes_validate(Oid) {
  return true;
}

IndexAmRoutine* changes_routine() {
  IndexAmRoutine* am = makeNode(IndexAmRoutine);
  am->amkeytype = InvalidOid;
  am->ambuild = changes_build;
  am->ambuildempty = changes_build_empty;
  am->aminsert = changes_insert;
  am->ambulkdelete = changes_bulk_delete;
  am->amvacuumcleanup = changes_vacuum_cleanup;
  am->amcostestimate = changes_cost;
  am->amoptions = changes_options;
  am->amvalidate = changes_validate;
  return am;
}

}  // namespace

}  // namespace monitoring::measurements

MONITORING_FUNCTION(monitoring_changes_handler) {
  return monitoring::pg::call(
      [] { return PointerGetDatum(monitoring::measurements::changes_routine()); });
}
