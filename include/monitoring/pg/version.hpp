#pragma once
// What differs between the supported major versions, each with the reason.

#include "monitoring/pg/postgres.hpp"

extern "C" {
#include <catalog/pg_database.h>
#include <catalog/pg_extension.h>
#include <catalog/pg_namespace.h>
#include <miscadmin.h>
#include <storage/smgr.h>
#include <utils/acl.h>
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

// 16 made one check of ownership of what was one for each kind of object.
#if PG_VERSION_NUM >= 160000
inline bool owns_database(Oid database) {
  return object_ownercheck(DatabaseRelationId, database, GetUserId());
}
inline bool owns_extension(Oid extension) {
  return object_ownercheck(ExtensionRelationId, extension, GetUserId());
}
inline bool owns_schema(Oid schema) {
  return object_ownercheck(NamespaceRelationId, schema, GetUserId());
}
#else
inline bool owns_database(Oid database) {
  return pg_database_ownercheck(database, GetUserId());
}
inline bool owns_extension(Oid extension) {
  return pg_extension_ownercheck(extension, GetUserId());
}
inline bool owns_schema(Oid schema) {
  return pg_namespace_ownercheck(schema, GetUserId());
}
#endif

}  // namespace monitoring::pg
