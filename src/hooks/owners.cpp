#include "monitoring/hooks/owners.hpp"

#include "monitoring/pg/snapshot.hpp"
#include "monitoring/pg/spi.hpp"
#include "monitoring/pg/transaction.hpp"

extern "C" {
#include <access/htup_details.h>
#include <catalog/dependency.h>
#include <catalog/namespace.h>
#include <catalog/pg_class.h>
#include <catalog/pg_type.h>
#include <commands/extension.h>
#include <miscadmin.h>
#include <utils/acl.h>
#include <utils/lsyscache.h>
#include <utils/syscache.h>
}
// clang-format keeps the server's headers first.
#include <optional>
#include <string>

namespace monitoring::hooks {

namespace {

/// Of the extension and of its schema.
constexpr const char* kOurName = "monitoring";
constexpr const char* kMostNames = "5";

/// Who owns the tables, if they are the extension's; none where it is not in this database.
Oid owner_of_tables() {
  const Oid extension = get_extension_oid(kOurName, true);
  const Oid schema = get_namespace_oid(kOurName, true);
  if (!OidIsValid(extension) || !OidIsValid(schema)) return InvalidOid;
  const Oid relation = get_relname_relid("alert_rules", schema);
  if (!OidIsValid(relation)) return InvalidOid;
  if (getExtensionOfObject(RelationRelationId, relation) != extension) return InvalidOid;
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
  if (!HeapTupleIsValid(tuple)) return InvalidOid;
  const Oid owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
  ReleaseSysCache(tuple);
  return owner;
}

/// An error leaves the role switched: the abort of the subtransaction switches it back.
std::optional<std::string> belongings_of(Oid role, Oid reader) {
  Oid user = InvalidOid;
  int context = 0;
  GetUserIdAndSecContext(&user, &context);
  SetUserIdAndSecContext(reader, context | SECURITY_RESTRICTED_OPERATION);
  std::optional<std::string> names;
  {
    const pg::FreshSnapshot snapshot;
    pg::Spi spi;
    const std::string sql =
        "SELECT pg_catalog.string_agg(o.name, ', ') FROM (SELECT n.name FROM ("
        " SELECT pg_catalog.format('alert rule %s', rule_name) AS name, owner_oid"
        "  FROM monitoring.alert_rules"
        " UNION ALL SELECT pg_catalog.format('collector %s', collector_name), owner_oid"
        "  FROM monitoring.collectors"
        " UNION ALL SELECT pg_catalog.format('queue %s', queue_name), owner_oid"
        "  FROM monitoring.queues"
        " UNION ALL SELECT pg_catalog.format('pack %s', pack_name), owner_oid"
        "  FROM monitoring_internal.enabled_packs) AS n"
        " WHERE n.owner_oid OPERATOR(pg_catalog.=) $1 LIMIT " +
        std::string(kMostNames) + ") AS o";
    names = spi.query(sql.c_str(), {pg::datum(OIDOID, ObjectIdGetDatum(role))}).text(0, 1);
  }
  SetUserIdAndSecContext(user, context);
  return names;
}

/// What the extension cannot look up keeps nobody from dropping a role.
void warn_of(Oid role, Oid reader) {
  std::optional<std::string> names;
  const auto error = pg::attempt([&] { names = belongings_of(role, reader); });
  if (error || !names) return;
  const char* const text = names->c_str();
  pg::call([&] {
    ereport(WARNING,
            (errmsg("what was given to the dropped role is not run any more: %s", text),
             errhint("Give it to another role with UPDATE ... SET owner, or delete it. At most "
                     "%s are named here; monitoring.health_findings goes on naming them.",
                     kMostNames)));
  });
}

}  // namespace

List* dropped_roles(const Node* statement) {
  if (nodeTag(statement) != T_DropRoleStmt) return NIL;
  List* roles = NIL;
  ListCell* cell = nullptr;
  foreach (cell, reinterpret_cast<const DropRoleStmt*>(statement)->roles) {
    auto* const role = lfirst_node(RoleSpec, cell);
    if (role->roletype != ROLESPEC_CSTRING) continue;
    const Oid oid = get_role_oid(role->rolename, true);
    if (OidIsValid(oid)) roles = lappend_oid(roles, oid);
  }
  return roles;
}

void warn_of_ownerless(const List* roles) {
  if (roles == NIL) return;
  pg::enter([&] {
    const Oid reader = pg::call([] { return owner_of_tables(); });
    if (!OidIsValid(reader)) return;
    ListCell* cell = nullptr;
    foreach (cell, roles) warn_of(lfirst_oid(cell), reader);
  });
}

}  // namespace monitoring::hooks
