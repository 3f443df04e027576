#pragma once
// Many measurements into pipeline_metrics at once, through the table access API.

#include "monitoring/pg/postgres.hpp"
// clang-format keeps the server's headers first.
#include <cstddef>

#include "monitoring/metrics/record.hpp"

namespace monitoring::measurements {

/// Inserts the records as COPY would: routed to their partitions, with all indexes and constraints.
/// False, having done nothing, if the table is not as the extension made it (columns added, insert
/// triggers, foreign partitions): SQL must do it then. The tags of a record are a jsonb Datum.
bool insert_in_bulk(const metrics::Record* records, std::size_t count);

}  // namespace monitoring::measurements
