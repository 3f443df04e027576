// Which part evaluates which node.

#include "monitoring/promql/functions.hpp"
#include "promql/aggregations.hpp"
#include "promql/binary_operators.hpp"
#include "promql/extremes.hpp"
#include "promql/mapped.hpp"
#include "promql/range_functions.hpp"
#include "promql/selectors.hpp"
#include "promql/vector_functions.hpp"

namespace monitoring::promql {

namespace {

class NothingStream final : public SeriesStream {
 public:
  bool next(StepSeries&) override { return false; }
};

StreamPtr open_call(const CallExpr& node, const Steps& steps, Evaluation& evaluation) {
  if (StreamPtr stream = open_presence_function(node, steps, evaluation)) return stream;
  if (is_range_function(node.function->id)) return open_range_function(node, steps, evaluation);
  using Open = StreamPtr (*)(const CallExpr&, const Steps&, Evaluation&);
  constexpr Open kFamilies[] = {open_math_function, open_time_function, open_label_function,
                                open_histogram_function, open_sort_function};
  for (const Open open : kFamilies) {
    if (StreamPtr stream = open(node, steps, evaluation)) return stream;
  }
  evaluation.fail_at(node.span,
                     "function \"" + std::string(node.function->name) + "\" is not supported");
  return std::make_unique<NothingStream>();
}

StreamPtr open_unary(const UnaryExpr& node, const Steps& steps, Evaluation& evaluation) {
  if (node.op == Operator::kAdd) return open_vector(*node.expr, steps, evaluation);
  return mapped_values(*node.expr, steps, evaluation,
                       [](double value, std::size_t) { return -value; });
}

std::vector<double> times_in_seconds(const Steps& steps) {
  std::vector<double> values;
  values.reserve(steps.count);
  for (std::size_t i = 0; i < steps.count; ++i) {
    values.push_back(static_cast<double>(steps.at(i)) / 1000);
  }
  return values;
}

double constant_of(FunctionId id, const Evaluation& evaluation) {
  const QueryRange& range = evaluation.range();
  switch (id) {
    case FunctionId::kStart:
      return static_cast<double>(range.start_ms) / 1000;
    case FunctionId::kEnd:
      return static_cast<double>(range.end_ms) / 1000;
    case FunctionId::kStep:
      return static_cast<double>(range.step_ms) / 1000;
    case FunctionId::kRange:
      return static_cast<double>(range.end_ms - range.start_ms) / 1000;
    default:
      return 3.14159265358979323846;
  }
}

template <class Combine>
std::vector<double> combined(const Expr& left, const Expr& right, const Steps& steps,
                             Evaluation& evaluation, Combine combine) {
  std::vector<double> values = scalar_values(left, steps, evaluation);
  const std::vector<double> others = scalar_values(right, steps, evaluation);
  if (evaluation.failed()) return {};
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = combine(values[i], others[i]);
  return values;
}

std::vector<double> scalars_of_call(const CallExpr& node, const Steps& steps,
                                    Evaluation& evaluation) {
  switch (node.function->id) {
    case FunctionId::kScalar:
      return scalars_of_vector(*node.arguments[0], steps, evaluation);
    case FunctionId::kTime:
      return times_in_seconds(steps);
    case FunctionId::kMaxOf:
      return combined(*node.arguments[0], *node.arguments[1], steps, evaluation, larger_of);
    case FunctionId::kMinOf:
      return combined(*node.arguments[0], *node.arguments[1], steps, evaluation, smaller_of);
    default:
      return std::vector<double>(steps.count, constant_of(node.function->id, evaluation));
  }
}

}  // namespace

StreamPtr open_vector(const Expr& expr, const Steps& steps, Evaluation& evaluation) {
  if (!evaluation.goes_on()) return std::make_unique<NothingStream>();
  const Expr& node = unwrapped(expr);
  switch (node.kind) {
    case Expr::Kind::kVectorSelector:
      return open_selector(as<VectorSelector>(node), steps, evaluation);
    case Expr::Kind::kUnary:
      return open_unary(as<UnaryExpr>(node), steps, evaluation);
    case Expr::Kind::kBinary:
      return open_binary(as<BinaryExpr>(node), steps, evaluation);
    case Expr::Kind::kAggregation:
      return open_aggregation(as<AggregateExpr>(node), steps, evaluation);
    case Expr::Kind::kCall:
      return open_call(as<CallExpr>(node), steps, evaluation);
    default:
      return std::make_unique<NothingStream>();
  }
}

RangeVector open_range(const Expr& expr, const Steps& steps, Evaluation& evaluation) {
  const Expr& node = unwrapped(expr);
  if (node.kind == Expr::Kind::kSubquery) {
    return open_subquery(as<Subquery>(node), steps, evaluation);
  }
  return open_matrix_selector(as<MatrixSelector>(node), steps, evaluation);
}

std::vector<double> scalar_values(const Expr& expr, const Steps& steps, Evaluation& evaluation) {
  // While deeper ones are computed, those of each level are there.
  Held held(evaluation);
  if (!evaluation.goes_on() || !held.add(0, steps.count * sizeof(double))) return {};
  const Expr& node = unwrapped(expr);
  switch (node.kind) {
    case Expr::Kind::kNumber:
      return std::vector<double>(steps.count, as<NumberLiteral>(node).value);
    case Expr::Kind::kUnary: {
      const auto& unary = as<UnaryExpr>(node);
      std::vector<double> values = scalar_values(*unary.expr, steps, evaluation);
      if (unary.op == Operator::kAdd) return values;
      for (double& value : values) value = -value;
      return values;
    }
    case Expr::Kind::kBinary: {
      const auto& binary = as<BinaryExpr>(node);
      return combined(*binary.left, *binary.right, steps, evaluation,
                      [op = binary.op](double a, double b) { return scalar_result(op, a, b); });
    }
    case Expr::Kind::kCall:
      return scalars_of_call(as<CallExpr>(node), steps, evaluation);
    default:
      return {};
  }
}

StepScalars step_scalars(const Expr& expr, const Steps& steps, Evaluation& evaluation) {
  return {scalar_values(expr, steps, evaluation), evaluation};
}

StepScalars step_scalars(double value, const Steps& steps, Evaluation& evaluation) {
  Held held(evaluation);
  if (!held.add(0, steps.count * sizeof(double))) return {{}, evaluation};
  return {std::vector<double>(steps.count, value), evaluation};
}

}  // namespace monitoring::promql
