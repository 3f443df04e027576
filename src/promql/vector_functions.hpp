#pragma once
// Functions of instant vectors, by family. Each opens the functions of its family, and gives
// nullptr for others.

#include "monitoring/promql/ast.hpp"
#include "promql/streams.hpp"

namespace monitoring::promql {

StreamPtr open_math_function(const CallExpr& node, const Steps& steps, Evaluation& evaluation);
StreamPtr open_time_function(const CallExpr& node, const Steps& steps, Evaluation& evaluation);
StreamPtr open_label_function(const CallExpr& node, const Steps& steps, Evaluation& evaluation);
StreamPtr open_histogram_function(const CallExpr& node, const Steps& steps, Evaluation& evaluation);
StreamPtr open_presence_function(const CallExpr& node, const Steps& steps, Evaluation& evaluation);
StreamPtr open_sort_function(const CallExpr& node, const Steps& steps, Evaluation& evaluation);

/// The value of a vector's only element at each step; NaN where there are none or several.
std::vector<double> scalars_of_vector(const Expr& expr, const Steps& steps, Evaluation& evaluation);

}  // namespace monitoring::promql
