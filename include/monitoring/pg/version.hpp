#pragma once
// What differs between the supported major versions, each with the reason.

#include "monitoring/pg/postgres.hpp"

extern "C" {
#include <catalog/pg_database.h>
#include <catalog/pg_extension.h>
#include <catalog/pg_namespace.h>
#include <miscadmin.h>
#include <storage/latch.h>
#include <storage/proc.h>
#include <storage/smgr.h>
#include <utils/acl.h>
#include <utils/guc_tables.h>
#include <utils/memutils.h>
#include <utils/regproc.h>
#include <utils/rel.h>
// 16 took the macros of variable-length values out of postgres.h.
#if PG_VERSION_NUM >= 160000
#include <varatt.h>
#endif
}
// clang-format keeps the server's headers first.
#include <vector>

namespace monitoring::pg {

/// Every setting of the server. 16 put them into a hash table.
inline std::vector<const config_generic*> all_settings() {
#if PG_VERSION_NUM >= 160000
  int count = 0;
  config_generic** settings = get_guc_variables(&count);
#else
  config_generic** settings = get_guc_variables();
  const int count = GetNumConfigOptions();
#endif
  return {settings, settings + count};
}

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

inline Oid file_of(Relation relation) {
#if PG_VERSION_NUM >= 160000
  return relation->rd_locator.relNumber;
#else
  return relation->rd_node.relNode;
#endif
}

// 16 made one check of ownership of what was one for each kind of object.
#if PG_VERSION_NUM >= 160000
inline bool owns_database(Oid database) {
  return object_ownercheck(DatabaseRelationId, database, GetUserId());
}
inline bool owns_extension(Oid extension, Oid role) {
  return object_ownercheck(ExtensionRelationId, extension, role);
}
inline bool owns_schema(Oid schema) {
  return object_ownercheck(NamespaceRelationId, schema, GetUserId());
}
#else
inline bool owns_database(Oid database) {
  return pg_database_ownercheck(database, GetUserId());
}
inline bool owns_extension(Oid extension, Oid role) {
  return pg_extension_ownercheck(extension, role);
}
inline bool owns_schema(Oid schema) {
  return pg_namespace_ownercheck(schema, GetUserId());
}
#endif

/// Whether the user may give things to the role. 16 told SET ROLE apart from membership.
inline bool may_act_as(Oid role) {
#if PG_VERSION_NUM >= 160000
  return member_can_set_role(GetUserId(), role);
#else
  return is_member_of_role(GetUserId(), role);
#endif
}

/// The place of this process in ProcGlobal->allProcs. 17 took it out of MyProc.
inline int own_proc_number() {
#if PG_VERSION_NUM >= 170000
  return MyProcNumber;
#else
  return MyProc->pgprocno;
#endif
}

/// A set of events that lives until it is freed. 17 made resource owners of what were contexts.
inline WaitEventSet* create_wait_event_set(int events) {
#if PG_VERSION_NUM >= 170000
  return CreateWaitEventSet(nullptr, events);
#else
  return CreateWaitEventSet(TopMemoryContext, events);
#endif
}

/// 16 added the last argument: where to put an error that is not to be raised.
inline List* qualified_name_list(const char* text) {
#if PG_VERSION_NUM >= 160000
  return stringToQualifiedNameList(text, nullptr);
#else
  return stringToQualifiedNameList(text);
#endif
}

}  // namespace monitoring::pg
