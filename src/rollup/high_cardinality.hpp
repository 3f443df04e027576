#pragma once
// Tells the user when the tags of a metric make too many series.

#include "monitoring/pg/spi.hpp"
#include "rollup/series_table.hpp"

namespace monitoring::rollup {

/// Series of one metric in one hour from which on an issue is logged.
constexpr std::size_t kHighCardinality = 100'000;

/// Logs a worker issue `high_cardinality` for each metric of the table with more series in an hour
/// than that, naming the tags that vary most; once, until the issue is resolved.
void note_high_cardinality(pg::Spi& spi, SeriesTable& table);

}  // namespace monitoring::rollup
