#include "monitoring/hooks/utility.hpp"

#include "monitoring/hooks/commit.hpp"
#include "monitoring/hooks/dropping.hpp"
#include "monitoring/hooks/members.hpp"
#include "monitoring/hooks/owners.hpp"
#include "monitoring/pg/version.hpp"
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
/// Of the extension and of its schema.
constexpr const char* kOurName = "monitoring";

ProcessUtility_hook_type next_hook = nullptr;

// Only who may run the command may stop the workers with it.

Oid owned_database(const char* name) {
  const Oid database = get_database_oid(name, true);
  return OidIsValid(database) && pg::owns_database(database) ? database : InvalidOid;
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

/// Whether the user may drop the extension, by itself or with the schema it depends on.
bool may_drop_us() {
  const Oid extension = get_extension_oid(kOurName, true);
  if (!OidIsValid(extension)) return false;
  if (pg::owns_extension(extension, GetUserId())) return true;
  const Oid schema = get_namespace_oid(kOurName, true);
  return OidIsValid(schema) && pg::owns_schema(schema);
}

bool names_us(const DropStmt* statement) {
  if (statement->removeType != OBJECT_EXTENSION && statement->removeType != OBJECT_SCHEMA) {
    return false;
  }
  ListCell* cell = nullptr;
  foreach (cell, statement->objects) {
    if (std::strcmp(strVal(lfirst(cell)), kOurName) == 0) return true;
  }
  return false;
}

/// This database, if the command is one that locks our tables one after the other: a duty that
/// locks them in another order would be a deadlock.
Oid own_database_if(bool is_about_us) {
  return is_about_us && may_drop_us() ? MyDatabaseId : InvalidOid;
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
    case T_DropStmt:
      return own_database_if(names_us(reinterpret_cast<const DropStmt*>(statement)));
    case T_DropOwnedStmt:
      return own_database_if(true);
    case T_AlterExtensionStmt: {
      const auto* update = reinterpret_cast<const AlterExtensionStmt*>(statement);
      return own_database_if(std::strcmp(update->extname, kOurName) == 0);
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
  refuse_rename(planned->utilityStmt);
  make_way(planned->utilityStmt);
  if (IsA(planned->utilityStmt, ViewStmt)) {
    const auto* statement = reinterpret_cast<const ViewStmt*>(planned->utilityStmt);
    if (statement->replace) refuse_to_replace(statement->view);
  }
  const List* const roles = dropped_roles(planned->utilityStmt);
  const bool outer = begin_statement(planned->utilityStmt);
  const ProcessUtility_hook_type run = next_hook != nullptr ? next_hook : standard_ProcessUtility;
  run(planned, query, read_only_tree, context, params, environment, destination, completion);
  end_statement(outer);
  warn_of_ownerless(roles);
}

}  // namespace

void watch_utility_commands() {
  next_hook = ProcessUtility_hook;
  ProcessUtility_hook = on_utility;
  watch_drops();
}

}  // namespace monitoring::hooks
