#include "monitoring/promql/printer.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "monitoring/promql/functions.hpp"
#include "monitoring/promql/text.hpp"

namespace monitoring::promql {

namespace {

std::string joined(const std::vector<std::string>& texts, const char* separator) {
  std::string all;
  for (const std::string& text : texts) {
    if (!all.empty()) all += separator;
    all += text;
  }
  return all;
}

std::string label_list(const std::vector<std::string>& labels) {
  std::vector<std::string> texts;
  texts.reserve(labels.size());
  for (const std::string& label : labels) {
    texts.push_back(is_label_name(label) ? label : quoted(label));
  }
  return joined(texts, ", ");
}

std::string signed_duration_text(std::int64_t ms) {
  return ms < 0 ? "-" + duration_text(-ms) : duration_text(ms);
}

std::string number_of(double seconds, bool is_duration) {
  return is_duration ? signed_duration_text(std::llround(seconds * 1000)) : number_text(seconds);
}

std::string text_of(const DurationExpr& expr) {
  switch (expr.kind) {
    case DurationExpr::Kind::kNumber:
      return number_of(expr.seconds, expr.is_duration);
    case DurationExpr::Kind::kStep:
      return "step()";
    case DurationExpr::Kind::kRange:
      return "range()";
    case DurationExpr::Kind::kNegate:
      return "-" + text_of(*expr.left);
    case DurationExpr::Kind::kParen:
      return "(" + text_of(*expr.left) + ")";
    case DurationExpr::Kind::kMin:
      return "min_of(" + text_of(*expr.left) + ", " + text_of(*expr.right) + ")";
    case DurationExpr::Kind::kMax:
      return "max_of(" + text_of(*expr.left) + ", " + text_of(*expr.right) + ")";
    case DurationExpr::Kind::kBinary:
      break;
  }
  return text_of(*expr.left) + " " + std::string(text_of(expr.op)) + " " + text_of(*expr.right);
}

std::string text_of(const DurationValue& duration) {
  return duration.expr ? text_of(*duration.expr) : signed_duration_text(duration.ms);
}

std::string text_of(const TimeShift& shift) {
  std::string text;
  if (shift.at == TimeShift::At::kTime) {
    char at[40];
    std::snprintf(at, sizeof at, " @ %.3f", static_cast<double>(shift.at_ms) / 1000);
    text += at;
  } else if (shift.at != TimeShift::At::kNone) {
    text += shift.at == TimeShift::At::kStart ? " @ start()" : " @ end()";
  }
  if (shift.offset.is_set()) text += " offset " + text_of(shift.offset);
  return text;
}

std::string selector_text(const VectorSelector& node) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < node.matchers.size(); ++i) {
    // The last one is the name before the braces.
    if (!node.name.empty() && i + 1 == node.matchers.size()) break;
    texts.push_back(matcher_text(node.matchers[i]));
  }
  if (texts.empty()) return node.name.empty() ? "{}" : node.name;
  std::sort(texts.begin(), texts.end());
  return node.name + "{" + joined(texts, ",") + "}";
}

std::string head_of(const AggregateExpr& node) {
  std::string text(text_of(node.op));
  if (node.without) return text + " without (" + label_list(node.grouping) + ") ";
  if (!node.grouping.empty()) return text + " by (" + label_list(node.grouping) + ") ";
  return text;
}

std::string matching_text(const VectorMatching& matching) {
  using Cardinality = VectorMatching::Cardinality;
  const bool grouped = matching.cardinality == Cardinality::kManyToOne ||
                       matching.cardinality == Cardinality::kOneToMany;
  std::string text;
  if (matching.on || grouped || !matching.labels.empty()) {
    text += matching.on ? " on (" : " ignoring (";
    text += label_list(matching.labels) + ")";
  }
  if (grouped) {
    text += matching.cardinality == Cardinality::kManyToOne ? " group_left (" : " group_right (";
    text += label_list(matching.include) + ")";
  }
  const auto& left = matching.fill_left;
  const auto& right = matching.fill_right;
  if (left && right && number_text(*left) == number_text(*right)) {
    return text + " fill (" + number_text(*left) + ")";
  }
  if (left) text += " fill_left (" + number_text(*left) + ")";
  if (right) text += " fill_right (" + number_text(*right) + ")";
  return text;
}

/// The operator with what belongs to it.
std::string operator_text(const BinaryExpr& node) {
  return std::string(text_of(node.op)) + (node.return_bool ? " bool" : "") +
         matching_text(node.matching);
}

std::string range_suffix(const Subquery& node) {
  return "[" + text_of(node.range) + ":" + (node.step.is_set() ? text_of(node.step) : "") + "]" +
         text_of(node.shift);
}

std::string aggregation_text(const AggregateExpr& node) {
  const std::string parameter = node.parameter ? printed(*node.parameter) + ", " : "";
  return head_of(node) + "(" + parameter + printed(*node.expr) + ")";
}

std::string call_text(const CallExpr& node) {
  std::vector<std::string> arguments;
  for (const ExprPtr& argument : node.arguments) arguments.push_back(printed(*argument));
  return std::string(node.function->name) + "(" + joined(arguments, ", ") + ")";
}

constexpr std::size_t kMostBytesInLine = 100;

std::string indent(std::size_t level) {
  return std::string(2 * level, ' ');
}

std::string pretty_at(const Expr& expr, std::size_t level);

std::string pretty_arguments(const CallExpr& node, std::size_t level) {
  std::vector<std::string> arguments;
  for (const ExprPtr& argument : node.arguments) arguments.push_back(pretty_at(*argument, level));
  return joined(arguments, ",\n");
}

std::string pretty_unary(const UnaryExpr& node, std::size_t level) {
  const std::string child = pretty_at(*node.expr, level);
  return indent(level) + std::string(text_of(node.op)) + child.substr(child.find_first_not_of(' '));
}

std::string pretty_at(const Expr& expr, std::size_t level) {
  std::string line = printed(expr);
  const bool fits = line.size() <= kMostBytesInLine;
  switch (expr.kind) {
    case Expr::Kind::kUnary:
      return pretty_unary(as<UnaryExpr>(expr), level);
    case Expr::Kind::kNumber:
    case Expr::Kind::kString:
    case Expr::Kind::kVectorSelector:
    case Expr::Kind::kMatrixSelector:
      return indent(level) + line;
    case Expr::Kind::kSubquery: {
      // Prometheus indents a subquery only where it is divided.
      if (fits) return line;
      const auto& node = as<Subquery>(expr);
      return pretty_at(*node.expr, level) + range_suffix(node);
    }
    default:
      break;
  }
  if (fits) return indent(level) + line;
  if (expr.kind == Expr::Kind::kBinary) {
    const auto& node = as<BinaryExpr>(expr);
    return pretty_at(*node.left, level + 1) + "\n" + indent(level) + operator_text(node) + "\n" +
           pretty_at(*node.right, level + 1);
  }
  if (expr.kind == Expr::Kind::kParen) {
    return indent(level) + "(\n" + pretty_at(*as<ParenExpr>(expr).expr, level + 1) + "\n" +
           indent(level) + ")";
  }
  if (expr.kind == Expr::Kind::kCall) {
    const auto& node = as<CallExpr>(expr);
    return indent(level) + std::string(node.function->name) + "(\n" +
           pretty_arguments(node, level + 1) + "\n" + indent(level) + ")";
  }
  const auto& node = as<AggregateExpr>(expr);
  std::string text = indent(level) + head_of(node) + "(\n";
  if (node.parameter) text += pretty_at(*node.parameter, level + 1) + ",\n";
  return text + pretty_at(*node.expr, level + 1) + "\n" + indent(level) + ")";
}

}  // namespace

std::string printed(const Expr& expr) {
  switch (expr.kind) {
    case Expr::Kind::kNumber: {
      const auto& node = as<NumberLiteral>(expr);
      return number_of(node.value, node.is_duration);
    }
    case Expr::Kind::kString:
      return quoted(as<StringLiteral>(expr).value);
    case Expr::Kind::kVectorSelector: {
      const auto& node = as<VectorSelector>(expr);
      return selector_text(node) + text_of(node.shift);
    }
    case Expr::Kind::kMatrixSelector: {
      const auto& node = as<MatrixSelector>(expr);
      return selector_text(*node.selector) + "[" + text_of(node.range) + "]" +
             text_of(node.selector->shift);
    }
    case Expr::Kind::kSubquery: {
      const auto& node = as<Subquery>(expr);
      return printed(*node.expr) + range_suffix(node);
    }
    case Expr::Kind::kUnary: {
      const auto& node = as<UnaryExpr>(expr);
      return std::string(text_of(node.op)) + printed(*node.expr);
    }
    case Expr::Kind::kBinary: {
      const auto& node = as<BinaryExpr>(expr);
      return printed(*node.left) + " " + operator_text(node) + " " + printed(*node.right);
    }
    case Expr::Kind::kAggregation:
      return aggregation_text(as<AggregateExpr>(expr));
    case Expr::Kind::kCall:
      return call_text(as<CallExpr>(expr));
    case Expr::Kind::kParen:
      return "(" + printed(*as<ParenExpr>(expr).expr) + ")";
  }
  return {};
}

std::string pretty(const Expr& expr) {
  return pretty_at(expr, 0);
}

}  // namespace monitoring::promql
