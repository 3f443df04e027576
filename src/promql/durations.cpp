#include "promql/durations.hpp"

#include <cmath>

#include "promql/extremes.hpp"

namespace monitoring::promql {

namespace {

struct Context {
  double step_seconds;
  double range_seconds;
};

double seconds_of(const DurationExpr& expr, const Context& context);

double seconds_of_binary(const DurationExpr& expr, const Context& context) {
  const double left = seconds_of(*expr.left, context);
  const double right = seconds_of(*expr.right, context);
  switch (expr.op) {
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
    default:
      return std::pow(left, right);
  }
}

double seconds_of(const DurationExpr& expr, const Context& context) {
  switch (expr.kind) {
    case DurationExpr::Kind::kNumber:
      return expr.seconds;
    case DurationExpr::Kind::kStep:
      return context.step_seconds;
    case DurationExpr::Kind::kRange:
      return context.range_seconds;
    case DurationExpr::Kind::kNegate:
      return -seconds_of(*expr.left, context);
    case DurationExpr::Kind::kParen:
      return seconds_of(*expr.left, context);
    case DurationExpr::Kind::kMin:
      return smaller_of(seconds_of(*expr.left, context), seconds_of(*expr.right, context));
    case DurationExpr::Kind::kMax:
      return larger_of(seconds_of(*expr.left, context), seconds_of(*expr.right, context));
    case DurationExpr::Kind::kBinary:
      break;
  }
  return seconds_of_binary(expr, context);
}

}  // namespace

std::optional<std::int64_t> checked_ms(double seconds) {
  constexpr double kMostSeconds = 9223372036.0;  // 2^63 ns
  if (!(std::fabs(seconds) < kMostSeconds)) return {};
  return std::llround(seconds * 1000);
}

Result<std::int64_t> resolved_ms(const DurationValue& duration, std::int64_t step_ms,
                                 std::int64_t range_ms) {
  if (!duration.expr) return duration.ms;
  const Context context{static_cast<double>(step_ms) / 1000, static_cast<double>(range_ms) / 1000};
  const auto ms = checked_ms(seconds_of(*duration.expr, context));
  if (!ms) return Error::at(duration.expr->span.start, "duration out of range");
  return *ms;
}

}  // namespace monitoring::promql
