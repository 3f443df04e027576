#include "promql/type_checker.hpp"

#include <algorithm>

#include "monitoring/promql/functions.hpp"
#include "monitoring/promql/text.hpp"

namespace monitoring::promql {

namespace {

using Check = std::optional<Error>;

Error error_at(const Expr& expr, std::string message, std::string hint = {}) {
  return Error::at(expr.span.start, std::move(message), std::move(hint));
}

std::string hint_for(ValueType wanted, ValueType got) {
  if (wanted == ValueType::kMatrix && got == ValueType::kVector) {
    return "Put a range behind the selector, for example [5m].";
  }
  if (wanted == ValueType::kVector && got == ValueType::kMatrix) {
    return "A function such as rate() or avg_over_time() makes an instant vector of a range "
           "vector.";
  }
  if (wanted == ValueType::kScalar && got == ValueType::kVector) {
    return "scalar() makes a scalar of an instant vector with one element.";
  }
  if (wanted == ValueType::kVector && got == ValueType::kScalar) {
    return "vector() makes an instant vector of a scalar.";
  }
  return {};
}

Check expect_type(const Expr& expr, ValueType wanted, const std::string& context) {
  if (Check wrong = check_types(expr)) return wrong;
  const ValueType got = type_of(expr);
  if (got == wanted) return {};
  return error_at(expr,
                  "expected type " + std::string(documented(wanted)) + " in " + context + ", got " +
                      std::string(documented(got)),
                  hint_for(wanted, got));
}

Check check_aggregation(const AggregateExpr& node) {
  if (Check wrong = expect_type(*node.expr, ValueType::kVector, "aggregation expression")) {
    return wrong;
  }
  if (!node.parameter) return {};
  const ValueType wanted =
      node.op == Aggregator::kCountValues ? ValueType::kString : ValueType::kScalar;
  return expect_type(*node.parameter, wanted, "aggregation parameter");
}

Check check_operand(const Expr& expr) {
  const ValueType type = type_of(expr);
  if (type == ValueType::kScalar || type == ValueType::kVector) return {};
  return error_at(expr, "binary expression must contain only scalar and instant vector types",
                  hint_for(ValueType::kVector, type));
}

Check check_matching_of_scalars(const BinaryExpr& node) {
  const VectorMatching& matching = node.matching;
  if (!matching.labels.empty()) {
    return error_at(node, "vector matching only allowed between instant vectors");
  }
  if (matching.fill_left || matching.fill_right) {
    return error_at(node, "filling in missing series only allowed between instant vectors");
  }
  return {};
}

Check check_set_operator(const BinaryExpr& node) {
  const VectorMatching& matching = node.matching;
  const std::string op = quoted(text_of(node.op));
  if (matching.cardinality != VectorMatching::Cardinality::kManyToMany) {
    return error_at(node, "no grouping allowed for " + op + " operation");
  }
  if (matching.fill_left || matching.fill_right) {
    return error_at(node, "filling in missing series not allowed for set operators");
  }
  return {};
}

Check check_binary(const BinaryExpr& node) {
  if (Check wrong = check_types(*node.left)) return wrong;
  if (Check wrong = check_types(*node.right)) return wrong;
  const ValueType left = type_of(*node.left);
  const ValueType right = type_of(*node.right);
  const auto at_operator = [&](std::string message, std::string hint = {}) {
    return Error::at(node.op_span.start, std::move(message), std::move(hint));
  };
  if (node.return_bool && !is_comparison(node.op)) {
    return at_operator("bool modifier can only be used on comparison operators");
  }
  if (is_comparison(node.op) && !node.return_bool && left == ValueType::kScalar &&
      right == ValueType::kScalar) {
    return at_operator("comparisons between scalars must use BOOL modifier",
                       "Write bool behind the operator.");
  }
  for (const std::string& label : node.matching.labels) {
    const auto& include = node.matching.include;
    if (node.matching.on && std::find(include.begin(), include.end(), label) != include.end()) {
      return at_operator("label " + quoted(label) +
                         " must not occur in ON and GROUP clause at once");
    }
  }
  if (Check wrong = check_operand(*node.left)) return wrong;
  if (Check wrong = check_operand(*node.right)) return wrong;
  const bool vectors = left == ValueType::kVector && right == ValueType::kVector;
  if (!vectors) {
    if (Check wrong = check_matching_of_scalars(node)) return wrong;
  } else if (is_set_operator(node.op)) {
    return check_set_operator(node);
  }
  const bool scalar = left == ValueType::kScalar || right == ValueType::kScalar;
  if (scalar && is_set_operator(node.op)) {
    return error_at(node, "set operator " + quoted(text_of(node.op)) +
                              " not allowed in binary scalar expression");
  }
  return {};
}

Check check_argument_count(const CallExpr& node) {
  const Function& function = *node.function;
  const std::size_t wanted = function.argument_types.size();
  const std::size_t got = node.arguments.size();
  const auto wrong = [&](const char* which, std::size_t count) {
    return error_at(node, std::string("expected ") + which + std::to_string(count) +
                              " argument(s) in call to " + quoted(function.name) + ", got " +
                              std::to_string(got));
  };
  if (function.variadic == 0) {
    if (wanted != got) return wrong("", wanted);
    return {};
  }
  const std::size_t least = wanted - 1;
  if (got < least) return wrong("at least ", least);
  const std::size_t most = least + static_cast<std::size_t>(std::max(function.variadic, 0));
  if (function.variadic > 0 && got > most) return wrong("at most ", most);
  return {};
}

/// The second argument of info() stands for label matchers only.
Check check_info_selector(const Expr& expr) {
  if (expr.kind != Expr::Kind::kVectorSelector) {
    return error_at(expr, "expected label selectors only");
  }
  if (!as<VectorSelector>(expr).name.empty()) {
    return error_at(expr, "expected label selectors only, got vector selector instead");
  }
  return {};
}

Check check_call(const CallExpr& node) {
  if (Check wrong = check_argument_count(node)) return wrong;
  const auto& types = node.function->argument_types;
  for (std::size_t i = 0; i < node.arguments.size(); ++i) {
    const Expr& argument = *node.arguments[i];
    if (node.function->id == FunctionId::kInfo && i == 1) {
      if (Check wrong = check_info_selector(argument)) return wrong;
      continue;
    }
    const ValueType wanted = types[std::min(i, types.size() - 1)];
    const std::string context = "call to function " + quoted(node.function->name);
    if (Check wrong = expect_type(argument, wanted, context)) return wrong;
  }
  return {};
}

Check check_unary(const UnaryExpr& node) {
  if (Check wrong = check_types(*node.expr)) return wrong;
  const ValueType type = type_of(*node.expr);
  if (type == ValueType::kScalar || type == ValueType::kVector) return {};
  return error_at(
      node, "unary expression only allowed on expressions of type scalar or instant vector, got " +
                quoted(documented(type)));
}

Check check_selector(const VectorSelector& node) {
  if (!node.name.empty()) {
    for (std::size_t i = 0; i + 1 < node.matchers.size(); ++i) {
      if (node.matchers[i].name() != kNameLabel) continue;
      return error_at(node, "metric name must not be set twice: " + quoted(node.name) + " or " +
                                quoted(node.matchers[i].value()));
    }
    return {};
  }
  const bool selects = std::any_of(node.matchers.begin(), node.matchers.end(),
                                   [](const Matcher& m) { return !m.matches_empty(); });
  if (selects) return {};
  return error_at(node, "vector selector must contain at least one non-empty matcher",
                  "A matcher that also fits series without the label would select everything.");
}

}  // namespace

Check check_types(const Expr& expr) {
  switch (expr.kind) {
    case Expr::Kind::kNumber:
    case Expr::Kind::kString:
      return {};
    case Expr::Kind::kVectorSelector:
      return check_selector(as<VectorSelector>(expr));
    case Expr::Kind::kMatrixSelector:
      return check_selector(*as<MatrixSelector>(expr).selector);
    case Expr::Kind::kSubquery: {
      const auto& node = as<Subquery>(expr);
      if (Check wrong = check_types(*node.expr)) return wrong;
      const ValueType type = type_of(*node.expr);
      if (type == ValueType::kVector) return {};
      const std::string got(type == ValueType::kMatrix ? "matrix" : documented(type));
      return error_at(expr, "subquery is only allowed on instant vector, got " + got + " instead");
    }
    case Expr::Kind::kUnary:
      return check_unary(as<UnaryExpr>(expr));
    case Expr::Kind::kBinary:
      return check_binary(as<BinaryExpr>(expr));
    case Expr::Kind::kAggregation:
      return check_aggregation(as<AggregateExpr>(expr));
    case Expr::Kind::kCall:
      return check_call(as<CallExpr>(expr));
    case Expr::Kind::kParen:
      return check_types(*as<ParenExpr>(expr).expr);
  }
  return {};
}

}  // namespace monitoring::promql
