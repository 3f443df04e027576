#pragma once
// Writes grouped measurements into monitoring_internal.rollup_state.

#include <cstdint>

#include "monitoring/pg/spi.hpp"
#include "rollup/series_table.hpp"

namespace monitoring::rollup {

/// Merges every series of the table into the state of its hour. Hours that begin before
/// publish_before are published: their rows of aggregated_metrics are written too. Hours of days
/// that were rolled up already also go to rollup_pending. Returns the rows of aggregated_metrics
/// written. Does not clear the table.
std::int64_t flush_series(pg::Spi& spi, SeriesTable& table, std::int64_t publish_before);

/// The shared ends of statements that write aggregated_metrics from rows of rollup_state.
/// source: a CTE with the columns of rollup_state.
std::string publish_statement(const char* source);

/// "col = merge(old, excluded)" for every mergeable column of rollup_state, aliased s.
extern const char* const kMergeState;

}  // namespace monitoring::rollup
