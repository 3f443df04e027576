#pragma once
// Rows of configuration whose SQL runs as their owner: they are changed by the owner, by its
// members and by superusers only, whoever may write the table.

#include "monitoring/pg/guard.hpp"
#include "monitoring/pg/version.hpp"

extern "C" {
#include <utils/acl.h>
}
// clang-format keeps the server's headers first.
#include <string>

namespace monitoring::api {

/// Throws 42501 unless the current user may act as this role, 42704 if there is no such role. A
/// superuser may name one that is not there: a dump may be restored before its roles are.
inline void require_owner(const std::string& owner) {
  const bool allowed = pg::call([&] {
    const Oid role = get_role_oid(owner.c_str(), superuser());
    return !OidIsValid(role) || pg::may_act_as(role);
  });
  if (allowed) return;
  throw pg::Report(ERRCODE_INSUFFICIENT_PRIVILEGE, "must be a member of role \"" + owner + "\"")
      .hint("The owner is the role that the row's SQL runs as.");
}

}  // namespace monitoring::api
