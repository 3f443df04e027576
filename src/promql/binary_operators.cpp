#include "promql/binary_operators.hpp"

#include "promql/mapped.hpp"

namespace monitoring::promql {

namespace {

bool compares(Operator op, double left, double right) {
  switch (op) {
    case Operator::kEqual:
      return left == right;
    case Operator::kNotEqual:
      return left != right;
    case Operator::kGreater:
      return left > right;
    case Operator::kLess:
      return left < right;
    case Operator::kGreaterOrEqual:
      return left >= right;
    default:
      return left <= right;
  }
}

double arithmetic(Operator op, double left, double right) {
  switch (op) {
    case Operator::kAdd:
      return left + right;
    case Operator::kSubtract:
      return left - right;
    case Operator::kMultiply:
      return left * right;
    case Operator::kDivide:
      return left / right;
    case Operator::kModulo:
      return std::fmod(left, right);
    case Operator::kPower:
      return std::pow(left, right);
    default:
      return std::atan2(left, right);
  }
}

/// An operator between a vector and a scalar, on whichever side.
struct WithScalar {
  const BinaryExpr& node;
  StepScalars scalars;
  bool scalar_is_left;
  Evaluation& evaluation;

  void operator()(StepSeries& series) const {
    for (std::size_t i = 0; i < series.values.size(); ++i) {
      double& value = series.values[i];
      if (!is_absent(value)) value = result(value, scalars[i]);
    }
    if (changes_meaning(node.op) || node.return_bool) drop_name(series, evaluation.options());
  }

  double result(double value, double scalar) const {
    const double left = scalar_is_left ? scalar : value;
    const double right = scalar_is_left ? value : scalar;
    if (!is_comparison(node.op)) return arithmetic(node.op, left, right);
    const bool is_true = compares(node.op, left, right);
    if (node.return_bool) return is_true ? 1 : 0;
    return is_true ? value : absent();
  }
};

StreamPtr open_with_scalar(const BinaryExpr& node, const Steps& steps, Evaluation& evaluation) {
  const bool scalar_is_left = type_of(*node.left) == ValueType::kScalar;
  const Expr& scalar = scalar_is_left ? *node.left : *node.right;
  const Expr& vector = scalar_is_left ? *node.right : *node.left;
  WithScalar with_scalar{node, step_scalars(scalar, steps, evaluation), scalar_is_left, evaluation};
  StreamPtr stream =
      mapped(open_vector(vector, steps, evaluation), evaluation, std::move(with_scalar));
  const bool may_collide = (changes_meaning(node.op) || node.return_bool) &&
                           !evaluation.options().delayed_name_removal &&
                           may_have_several_names(vector);
  return may_collide ? unique(std::move(stream), evaluation, steps) : std::move(stream);
}

}  // namespace

double scalar_result(Operator op, double left, double right) {
  if (is_comparison(op)) return compares(op, left, right) ? 1 : 0;
  return arithmetic(op, left, right);
}

ElementResult element_result(Operator op, double left, double right) {
  if (is_comparison(op)) return {left, compares(op, left, right)};
  return {arithmetic(op, left, right), true};
}

StreamPtr open_binary(const BinaryExpr& node, const Steps& steps, Evaluation& evaluation) {
  const bool vectors =
      type_of(*node.left) == ValueType::kVector && type_of(*node.right) == ValueType::kVector;
  if (!vectors) return open_with_scalar(node, steps, evaluation);
  if (is_set_operator(node.op)) return open_set_operator(node, steps, evaluation);
  return open_vector_matching(node, steps, evaluation);
}

}  // namespace monitoring::promql
