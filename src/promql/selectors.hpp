#pragma once
// Selectors and subqueries as streams.

#include "promql/streams.hpp"

namespace monitoring::promql {

StreamPtr open_selector(const VectorSelector& node, const Steps& steps, Evaluation& evaluation);
/// The values are the times of the samples, in seconds.
StreamPtr open_selector_times(const VectorSelector& node, const Steps& steps,
                              Evaluation& evaluation);

RangeVector open_matrix_selector(const MatrixSelector& node, const Steps& steps,
                                 Evaluation& evaluation);
RangeVector open_subquery(const Subquery& node, const Steps& steps, Evaluation& evaluation);

}  // namespace monitoring::promql
