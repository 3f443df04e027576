#pragma once
// Functions and views in public for PostgREST, which knows objects of exposed schemas only.

#include "monitoring/pg/spi.hpp"

namespace monitoring::setup {

/// Makes, or makes again, the wrappers for supabase.rpc and the views for supabase.from, and grants
/// them to service_role alone. A function of the same name and arguments that somebody else made is
/// an error, 42723; a relation of the name, 42P07. search_path must be pg_catalog.
void setup_supabase(pg::Spi& spi);

}  // namespace monitoring::setup
