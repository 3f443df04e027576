#pragma once
// public.monitoring_events: what happened in the monitored system and to its operators.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <string_view>

namespace monitoring::issues {

/// Logs one event; details is a JSON value.
void log_event(pg::Spi& spi, std::string_view event_type, std::string_view details);

}  // namespace monitoring::issues
