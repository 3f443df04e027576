#pragma once
// Functions in public for PostgREST, which calls functions of exposed schemas only.

#include "monitoring/pg/spi.hpp"

namespace monitoring::setup {

/// Makes, or makes again, the wrappers for supabase.rpc and grants them to service_role alone.
/// A function of the same name and arguments that somebody else made is an error, 42723.
/// search_path must be pg_catalog.
void setup_supabase(pg::Spi& spi);

}  // namespace monitoring::setup
