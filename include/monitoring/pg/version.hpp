#pragma once
// What differs between the supported major versions, each with the reason.

#include "monitoring/pg/postgres.hpp"

extern "C" {
#include <storage/smgr.h>
#include <utils/rel.h>
// 16 took the macros of variable-length values out of postgres.h.
#if PG_VERSION_NUM >= 160000
#include <varatt.h>
#endif
}

namespace monitoring::pg {

// 16 renamed RelFileNode to RelFileLocator.
#if PG_VERSION_NUM >= 160000
inline RelFileLocator* locator_of(Relation relation) {
  return &RelationGetSmgr(relation)->smgr_rlocator.locator;
}
#else
inline RelFileNode* locator_of(Relation relation) {
  return &RelationGetSmgr(relation)->smgr_rnode.node;
}
#endif

}  // namespace monitoring::pg
