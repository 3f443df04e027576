#pragma once
// Functions of range vectors.

#include "monitoring/promql/functions.hpp"
#include "promql/windows.hpp"

namespace monitoring::promql {

bool is_range_function(FunctionId id);

StreamPtr open_range_function(const CallExpr& node, const Steps& steps, Evaluation& evaluation);

/// By family; false where the function is of another one.
bool compute_rate(FunctionId id, const RangeCall& call, std::vector<double>& values);
bool compute_over_time(FunctionId id, const RangeCall& call, std::vector<double>& values);
bool compute_ranked_over_time(FunctionId id, const RangeCall& call, std::vector<double>& values);
bool compute_trend(FunctionId id, const RangeCall& call, std::vector<double>& values);

/// The quantile of values in rising order, NaN before all others.
double quantile_of_sorted(double quantile, const double* sorted, std::size_t size);
/// NaN before all others.
bool is_below(double a, double b);
/// Warns of each value that is no quantile.
void check_quantiles(const StepScalars& quantiles, const Span& span, Evaluation& evaluation);

}  // namespace monitoring::promql
