#include "monitoring/promql/ast.hpp"

#include "monitoring/promql/functions.hpp"

namespace monitoring::promql {

std::string_view documented(ValueType type) {
  switch (type) {
    case ValueType::kScalar:
      return "scalar";
    case ValueType::kVector:
      return "instant vector";
    case ValueType::kMatrix:
      return "range vector";
    case ValueType::kString:
      return "string";
  }
  return "none";
}

std::string_view text_of(Operator op) {
  constexpr std::string_view kTexts[] = {"+",  "-", "*", "/",  "%",  "^",   "atan2", "==",
                                         "!=", ">", "<", ">=", "<=", "and", "or",    "unless"};
  return kTexts[static_cast<std::size_t>(op)];
}

bool is_comparison(Operator op) {
  return op >= Operator::kEqual && op <= Operator::kLessOrEqual;
}

bool is_set_operator(Operator op) {
  return op >= Operator::kAnd;
}

std::string_view text_of(Aggregator aggregator) {
  constexpr std::string_view kTexts[] = {
      "sum",    "avg",  "count",   "min",          "max",      "group",  "stddev",
      "stdvar", "topk", "bottomk", "count_values", "quantile", "limitk", "limit_ratio"};
  return kTexts[static_cast<std::size_t>(aggregator)];
}

bool takes_parameter(Aggregator aggregator) {
  return aggregator >= Aggregator::kTopk;
}

bool is_experimental(Aggregator aggregator) {
  return aggregator >= Aggregator::kLimitk;
}

const Expr& unwrapped(const Expr& expr) {
  const Expr* at = &expr;
  while (at->kind == Expr::Kind::kParen) at = as<ParenExpr>(*at).expr.get();
  return *at;
}

ValueType type_of(const Expr& expr) {
  const Expr& node = unwrapped(expr);
  switch (node.kind) {
    case Expr::Kind::kNumber:
      return ValueType::kScalar;
    case Expr::Kind::kString:
      return ValueType::kString;
    case Expr::Kind::kMatrixSelector:
    case Expr::Kind::kSubquery:
      return ValueType::kMatrix;
    case Expr::Kind::kUnary:
      return type_of(*as<UnaryExpr>(node).expr);
    case Expr::Kind::kBinary: {
      const auto& binary = as<BinaryExpr>(node);
      const bool scalars = type_of(*binary.left) == ValueType::kScalar &&
                           type_of(*binary.right) == ValueType::kScalar;
      return scalars ? ValueType::kScalar : ValueType::kVector;
    }
    case Expr::Kind::kCall:
      return as<CallExpr>(node).function->return_type;
    case Expr::Kind::kVectorSelector:
    case Expr::Kind::kAggregation:
    case Expr::Kind::kParen:
      break;
  }
  return ValueType::kVector;
}

}  // namespace monitoring::promql
