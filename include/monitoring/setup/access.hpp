#pragma once
// Who may use the extension's objects. Nobody, at first: default privileges of the database (such
// as Supabase's, which give everything in public to anon) must not reach them.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <optional>
#include <string>
#include <string_view>

namespace monitoring::setup {

enum class AccessLevel { reader, writer, operator_ };

std::optional<AccessLevel> parse_access_level(std::string_view text);

/// Takes every privilege on the extension's objects from every role but their owners. Part of the
/// install script, and of an upgrade script that adds objects. search_path must be pg_catalog.
void protect_members(pg::Spi& spi);

/// The same for one relation that is made at run time, such as a partition. Call it in the
/// transaction that makes the relation.
void protect_relation(pg::Spi& spi, Oid relation);

/// Grants what the level needs on all objects of the extension. search_path must be pg_catalog.
void grant_access(pg::Spi& spi, std::string_view role_name, AccessLevel level);

}  // namespace monitoring::setup
