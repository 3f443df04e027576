#pragma once
// Which heap blocks of a partition may hold rows that no roll-up pass has seen: the map kept by the
// index access method monitoring_changes. Format and protocol: src/measurements/FORMAT-changes.md.

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <storage/block.h>
#include <utils/rel.h>
}
// clang-format keeps the server's headers first.
#include <cstdint>
#include <vector>

namespace monitoring::measurements {

// All of these may raise server errors: call them under pg::call.

/// The monitoring_changes index of a table, or InvalidOid.
Oid changes_index_of(Relation table);

/// Takes the blocks that were written since the last committed pass, and those taken by passes that
/// did not commit, in ascending order. From here on a write to any of them marks it anew.
/// committed_pass: the number of the last pass that committed. this_pass: the number that the
/// calling pass will commit under. Writes nothing when there is nothing to take.
void take_changed_blocks(Relation index, std::uint64_t committed_pass, std::uint64_t this_pass,
                         std::vector<BlockNumber>* blocks);

/// The same blocks, without taking them.
void peek_changed_blocks(Relation index, std::uint64_t committed_pass,
                         std::vector<BlockNumber>* blocks);

/// The heap blocks that the map has a page for: [0, this). Behind it any may have changed: their
/// page is about to be made, or was lost.
BlockNumber mapped_blocks(Relation index);

/// Marks a block as written, as an insert into it does.
void mark_block(Relation index, BlockNumber block);

}  // namespace monitoring::measurements
