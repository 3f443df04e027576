#include "monitoring/issues/events.hpp"

namespace monitoring::issues {

void log_event(pg::Spi& spi, std::string_view event_type, std::string_view details) {
  spi.execute("INSERT INTO public.monitoring_events (event_type, details) VALUES ($1, $2)",
              {pg::text(event_type), pg::jsonb(details)});
}

}  // namespace monitoring::issues
