#pragma once
// Operators between scalars and vectors.

#include <cmath>

#include "promql/streams.hpp"

namespace monitoring::promql {

/// Between scalars: comparisons are 0 or 1.
double scalar_result(Operator op, double left, double right);

/// Of two elements of vectors: whether a comparison keeps the left one, or else the value.
struct ElementResult {
  double value = 0;
  bool is_kept = true;
};
ElementResult element_result(Operator op, double left, double right);

/// Whether the result still is what the name says.
inline bool changes_meaning(Operator op) {
  return !is_comparison(op) && !is_set_operator(op);
}

StreamPtr open_binary(const BinaryExpr& node, const Steps& steps, Evaluation& evaluation);
/// and, or, unless.
StreamPtr open_set_operator(const BinaryExpr& node, const Steps& steps, Evaluation& evaluation);
/// All others between two vectors.
StreamPtr open_vector_matching(const BinaryExpr& node, const Steps& steps, Evaluation& evaluation);

}  // namespace monitoring::promql
