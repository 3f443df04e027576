#include "monitoring/hooks/dropping.hpp"

#include "monitoring/pg/version.hpp"

extern "C" {
#include <catalog/dependency.h>
#include <catalog/namespace.h>
#include <catalog/objectaccess.h>
#include <catalog/pg_class.h>
#include <catalog/pg_extension.h>
#include <commands/extension.h>
#include <miscadmin.h>
#include <nodes/parsenodes.h>
#include <utils/acl.h>
#include <utils/lsyscache.h>
}
// clang-format keeps the server's headers first.
#include <cstring>
#include <initializer_list>

namespace monitoring::hooks {

namespace {

/// Of the extension and of its schema.
constexpr const char* kOurName = "monitoring";

object_access_hook_type next_hook = nullptr;

/// Whether the statement that runs may drop the extension. After an error it is that of a statement
/// that is over; every drop is part of a statement, which sets it.
bool may_drop_us = false;

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

/// Whether all that the extension's owner has is dropped.
bool names_our_owner(const DropOwnedStmt* statement) {
  const Oid extension = get_extension_oid(kOurName, true);
  if (!OidIsValid(extension)) return false;
  ListCell* cell = nullptr;
  foreach (cell, statement->roles) {
    const Oid role = get_rolespec_oid(lfirst_node(RoleSpec, cell), true);
    if (OidIsValid(role) && pg::owns_extension(extension, role)) return true;
  }
  return false;
}

bool is_about_us(const Node* statement) {
  switch (nodeTag(statement)) {
    case T_DropStmt:
      return names_us(reinterpret_cast<const DropStmt*>(statement));
    case T_DropOwnedStmt:
      return names_our_owner(reinterpret_cast<const DropOwnedStmt*>(statement));
    default:
      return false;
  }
}

/// One table or two of each schema stand for all that it holds.
bool holds_our_objects(Oid schema, Oid extension) {
  for (const char* table :
       {"monitoring_events", "system_metrics", "instance", "installed_functions"}) {
    const Oid relation = get_relname_relid(table, schema);
    if (OidIsValid(relation) && getExtensionOfObject(RelationRelationId, relation) == extension) {
      return true;
    }
  }
  return false;
}

void on_access(ObjectAccessType access, Oid class_id, Oid object, int part, void* argument) {
  if (next_hook != nullptr) next_hook(access, class_id, object, part, argument);
  if (access != OAT_DROP || class_id != ExtensionRelationId || may_drop_us) return;
  if (object != get_extension_oid(kOurName, true)) return;
  ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
                  errmsg("extension \"%s\" is not dropped along with something else", kOurName),
                  errdetail("Some of its objects lie in the schema public or monitoring_internal, "
                            "or depend on what is to "
                            "be dropped."),
                  errhint("Drop the application's own objects one by one, or give them a schema of "
                          "their own. DROP EXTENSION monitoring drops the extension, with all that "
                          "it has recorded.")));
}

}  // namespace

void watch_drops() {
  next_hook = object_access_hook;
  object_access_hook = on_access;
}

bool begin_statement(const Node* statement) {
  const bool outer = may_drop_us;
  may_drop_us = is_about_us(statement);
  return outer;
}

void end_statement(bool outer) {
  may_drop_us = outer;
}

void refuse_rename(const Node* statement) {
  if (nodeTag(statement) != T_RenameStmt) return;
  const auto* rename = reinterpret_cast<const RenameStmt*>(statement);
  if (rename->renameType != OBJECT_SCHEMA) return;
  const Oid extension = get_extension_oid(kOurName, true);
  const Oid schema = get_namespace_oid(rename->subname, true);
  if (!OidIsValid(extension) || !OidIsValid(schema) || !pg::owns_schema(schema)) return;
  if (!holds_our_objects(schema, extension)) return;
  ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
                  errmsg("schema \"%s\" holds objects of extension \"%s\" and keeps its name",
                         rename->subname, kOurName),
                  errhint("Make a schema of another name, and move the application's objects to it "
                          "with ALTER ... SET SCHEMA.")));
}

}  // namespace monitoring::hooks
