#include "monitoring/pg/extension_members.hpp"

extern "C" {
#include <catalog/pg_extension.h>
#include <catalog/pg_type.h>
#include <commands/extension.h>
#include <storage/lmgr.h>
}

namespace monitoring::pg {

namespace {

/// $1 is the extension, $2 the name.
constexpr const char* kRelation =
    "SELECT c.oid, c.relowner, pg_catalog.format('%I.%I', n.nspname, c.relname)"
    " FROM pg_catalog.pg_class AS c"
    " JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace"
    " JOIN pg_catalog.pg_depend AS d ON d.objid OPERATOR(pg_catalog.=) c.oid"
    "  AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass"
    "  AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass"
    "  AND d.refobjid OPERATOR(pg_catalog.=) $1 AND d.deptype OPERATOR(pg_catalog.=) 'e'"
    " WHERE c.relname OPERATOR(pg_catalog.=) $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
    " ORDER BY c.oid LIMIT 1";

constexpr const char* kRoutine =
    "WITH routine AS MATERIALIZED ("
    " SELECT p.oid, p.proowner, p.pronamespace, EXISTS (SELECT FROM pg_catalog.pg_depend AS d"
    "   WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass"
    "   AND d.objid OPERATOR(pg_catalog.=) p.oid"
    "   AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass"
    "   AND d.refobjid OPERATOR(pg_catalog.=) $1 AND d.deptype OPERATOR(pg_catalog.=) 'e')"
    "   AS is_member"
    " FROM pg_catalog.pg_proc AS p WHERE p.proname OPERATOR(pg_catalog.=) $2)"
    " SELECT r.oid, r.proowner, pg_catalog.format('%I.%I', n.nspname, $2)"
    " FROM routine AS r"
    " JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) r.pronamespace"
    " WHERE r.is_member AND NOT EXISTS (SELECT FROM routine AS o WHERE NOT o.is_member"
    "  AND o.pronamespace OPERATOR(pg_catalog.=) r.pronamespace)"
    " ORDER BY r.oid LIMIT 1";

/// Its OID under a lock that keeps it.
std::optional<Oid> hold_extension(const char* extension) {
  const Oid held = pg::call([&] {
    const Oid found = get_extension_oid(extension, true);
    if (!OidIsValid(found)) return InvalidOid;
    LockDatabaseObject(ExtensionRelationId, found, 0, AccessShareLock);
    return get_extension_oid(extension, true) == found ? found : InvalidOid;
  });
  if (!OidIsValid(held)) return std::nullopt;
  return held;
}

std::optional<ExtensionMember> find(pg::Spi& spi, const char* extension, const char* sql,
                                    const char* name) {
  const std::optional<Oid> held = hold_extension(extension);
  if (!held) return std::nullopt;
  const pg::Rows rows = spi.query(
      sql, {pg::datum(OIDOID, ObjectIdGetDatum(*held)), pg::text(std::string_view(name))});
  if (rows.empty()) return std::nullopt;
  return ExtensionMember{static_cast<Oid>(*rows.int8(0, 1)), static_cast<Oid>(*rows.int8(0, 2)),
                         *rows.text(0, 3)};
}

}  // namespace

std::optional<ExtensionMember> relation_of_extension(pg::Spi& spi, const char* extension,
                                                     const char* relation) {
  return find(spi, extension, kRelation, relation);
}

std::optional<ExtensionMember> routine_of_extension(pg::Spi& spi, const char* extension,
                                                    const char* routine) {
  return find(spi, extension, kRoutine, routine);
}

}  // namespace monitoring::pg
