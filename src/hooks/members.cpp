#include "monitoring/hooks/members.hpp"

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <catalog/dependency.h>
#include <catalog/namespace.h>
#include <catalog/objectaccess.h>
#include <catalog/objectaddress.h>
#include <catalog/pg_class.h>
#include <catalog/pg_proc.h>
#include <commands/extension.h>
#include <storage/lockdefs.h>
}

namespace monitoring::hooks {

namespace {

object_access_hook_type next_hook = nullptr;

bool is_ours(Oid class_id, Oid object) {
  const Oid extension = getExtensionOfObject(class_id, object);
  return OidIsValid(extension) && extension == get_extension_oid("monitoring", true);
}

void refuse_if_ours(Oid class_id, Oid object) {
  if (creating_extension || !is_ours(class_id, object)) return;
  const ObjectAddress address{class_id, object, 0};
  ereport(
      ERROR,
      (errcode(ERRCODE_DUPLICATE_FUNCTION),
       errmsg("%s belongs to extension monitoring and cannot be replaced",
              getObjectDescription(&address, false)),
       errhint("Leave it out of the script: the extension has it. To make one of your own, give "
               "it another name or schema, or run DROP EXTENSION monitoring first.")));
}

/// A function that was just made belongs to no extension; one that was replaced may.
void on_object_access(ObjectAccessType access, Oid class_id, Oid object, int sub_id,
                      void* argument) {
  if (next_hook != nullptr) next_hook(access, class_id, object, sub_id, argument);
  if (access == OAT_POST_CREATE && class_id == ProcedureRelationId) {
    refuse_if_ours(class_id, object);
  }
}

}  // namespace

void watch_members() {
  next_hook = object_access_hook;
  object_access_hook = on_object_access;
}

void refuse_to_replace(const RangeVar* view) {
  const Oid relation = RangeVarGetRelid(view, NoLock, true);
  if (OidIsValid(relation)) refuse_if_ours(RelationRelationId, relation);
}

}  // namespace monitoring::hooks
