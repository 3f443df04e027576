// SQL entry point of the functions for PostgREST.

#include "monitoring/setup/supabase.hpp"

using namespace monitoring;

/// monitoring.setup_supabase() -> void
MONITORING_FUNCTION(monitoring_setup_supabase) {
  pg::Spi spi;
  setup::setup_supabase(spi);
  PG_RETURN_VOID();
}
