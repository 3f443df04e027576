#include "monitoring/hooks/utility.hpp"

#include "monitoring/hooks/commit.hpp"
#include "monitoring/shmem/worker_slots.hpp"

extern "C" {
#include <catalog/namespace.h>
#include <catalog/pg_database.h>
#include <catalog/pg_extension.h>
#include <commands/dbcommands.h>
#include <commands/defrem.h>
#include <commands/extension.h>
#include <nodes/parsenodes.h>
#include <tcop/utility.h>
#include <utils/acl.h>
}
// clang-format keeps the server's headers first.
#include <cstring>

namespace monitoring::hooks {

namespace {

/// The commands below wait up to 5 s themselves for others to leave the database.
constexpr int kWaitMs = 10 * 1000;

ProcessUtility_hook_type next_hook = nullptr;

// Only who may run the command may stop the workers with it.

bool owns_database(Oid database) {
#if PG_VERSION_NUM >= 160000
  return object_ownercheck(DatabaseRelationId, database, GetUserId());
#else
  return pg_database_ownercheck(database, GetUserId());
#endif
}

bool owns_extension(Oid extension) {
#if PG_VERSION_NUM >= 160000
  return object_ownercheck(ExtensionRelationId, extension, GetUserId());
#else
  return pg_extension_ownercheck(extension, GetUserId());
#endif
}

Oid owned_database(const char* name) {
  const Oid database = get_database_oid(name, true);
  return OidIsValid(database) && owns_database(database) ? database : InvalidOid;
}

const DefElem* option(const List* options, const char* name) {
  ListCell* cell = nullptr;
  foreach (cell, options) {
    const auto* element = lfirst_node(DefElem, cell);
    if (std::strcmp(element->defname, name) == 0) return element;
  }
  return nullptr;
}

/// The template must hold still while it is copied. Copying one's own needs CREATEDB, which is
/// checked by the command; copying somebody else's template stops nobody: templates have no worker.
Oid template_of(const CreatedbStmt* statement) {
  const DefElem* source = option(statement->options, "template");
  if (source == nullptr || source->arg == nullptr) return InvalidOid;
  return owned_database(defGetString(const_cast<DefElem*>(source)));
}

bool drops_us(const DropStmt* statement) {
  if (statement->removeType != OBJECT_EXTENSION) return false;
  ListCell* cell = nullptr;
  foreach (cell, statement->objects) {
    if (std::strcmp(strVal(lfirst(cell)), "monitoring") == 0) return true;
  }
  return false;
}

Oid database_to_leave(const Node* statement) {
  switch (nodeTag(statement)) {
    case T_DropdbStmt:
      return owned_database(reinterpret_cast<const DropdbStmt*>(statement)->dbname);
    case T_CreatedbStmt:
      return template_of(reinterpret_cast<const CreatedbStmt*>(statement));
    case T_AlterDatabaseStmt: {
      const auto* alter = reinterpret_cast<const AlterDatabaseStmt*>(statement);
      return option(alter->options, "tablespace") != nullptr ? owned_database(alter->dbname)
                                                             : InvalidOid;
    }
    case T_RenameStmt: {
      const auto* rename = reinterpret_cast<const RenameStmt*>(statement);
      return rename->renameType == OBJECT_DATABASE ? owned_database(rename->subname) : InvalidOid;
    }
    case T_DropStmt: {
      if (!drops_us(reinterpret_cast<const DropStmt*>(statement))) return InvalidOid;
      const Oid extension = get_extension_oid("monitoring", true);
      return OidIsValid(extension) && owns_extension(extension) ? MyDatabaseId : InvalidOid;
    }
    default:
      return InvalidOid;
  }
}

void make_way(const Node* statement) {
  const Oid database = database_to_leave(statement);
  if (!OidIsValid(database)) return;
  unblock_at_end_of_transaction();
  if (!shmem::block(database)) {
    ereport(WARNING, (errmsg("monitoring could not keep its workers away from the database"),
                      errdetail("Too many such commands run at the same time.")));
  }
  shmem::stop_processes(database);
  shmem::wait_until_gone(database, kWaitMs);
}

/// Plain C in C++ clothes: errors of the server pass through as they are.
void on_utility(PlannedStmt* planned, const char* query, bool read_only_tree,
                ProcessUtilityContext context, ParamListInfo params, QueryEnvironment* environment,
                DestReceiver* destination, QueryCompletion* completion) {
  make_way(planned->utilityStmt);
  const ProcessUtility_hook_type run = next_hook != nullptr ? next_hook : standard_ProcessUtility;
  run(planned, query, read_only_tree, context, params, environment, destination, completion);
}

}  // namespace

void watch_utility_commands() {
  next_hook = ProcessUtility_hook;
  ProcessUtility_hook = on_utility;
}

}  // namespace monitoring::hooks
