// SQL entry points of privileges.

#include "monitoring/setup/access.hpp"

#include "monitoring/pg/arguments.hpp"

extern "C" {
#include <catalog/pg_type.h>
#include <utils/acl.h>
}

using namespace monitoring;

namespace {

void check_role(const std::string& role_name) {
  if (role_name == "public") {
    throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, "access is not granted to PUBLIC")
        .hint("Name a role; grant that role to those who need it.");
  }
  pg::call([&] { return get_role_oid(role_name.c_str(), false); });
}

std::string required_name(FunctionCallInfo fcinfo, int index, const char* name) {
  pg::require(fcinfo, index, name);
  return NameStr(*DatumGetName(PG_GETARG_DATUM(index)));
}

}  // namespace

/// monitoring_internal.protect_members() -> void
MONITORING_FUNCTION(monitoring_protect_members) {
  pg::Spi spi;
  setup::protect_members(spi);
  PG_RETURN_VOID();
}

/// monitoring_internal.protect_relation(relation) -> void
MONITORING_FUNCTION(monitoring_protect_relation) {
  pg::require(fcinfo, 0, "relation");
  pg::Spi spi;
  setup::protect_relation(spi, PG_GETARG_OID(0));
  PG_RETURN_VOID();
}

/// monitoring.grant_access(role_name, access_level) -> void
MONITORING_FUNCTION(monitoring_grant_access) {
  const std::string role_name = required_name(fcinfo, 0, "role_name");
  const std::string level_name = pg::required_text(fcinfo, 1, "access_level");
  const auto level = setup::parse_access_level(level_name);
  if (!level) {
    throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, "unknown access level \"" + level_name + "\"")
        .hint("Access levels are reader, writer and operator.");
  }
  check_role(role_name);
  pg::Spi spi;
  setup::grant_access(spi, role_name, *level);
  PG_RETURN_VOID();
}
