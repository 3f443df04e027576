#pragma once
// Objects of other extensions (pg_cron, pgmq, supabase_vault, pg_stat_statements). Anybody may make
// a schema of such a name, and what lies in it; so nothing is found by its name alone. What is used
// is a member of the extension, by the extension's own dependency, and goes by its OID or its
// qualified name.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <optional>
#include <string>

namespace monitoring::pg {

struct ExtensionMember {
  Oid oid;
  Oid owner;
  /// Quoted where needed, with its schema.
  std::string name;
};

/// The table or view of that name which is a member of the extension. The extension cannot be
/// dropped before the transaction ends.
std::optional<ExtensionMember> relation_of_extension(pg::Spi& spi, const char* extension,
                                                     const char* relation);

/// Likewise the routine of that name. Nothing where its schema holds a routine of that name that is
/// no member: a call by name might find that one.
std::optional<ExtensionMember> routine_of_extension(pg::Spi& spi, const char* extension,
                                                    const char* routine);

}  // namespace monitoring::pg
