// Functions of single values.

#include <cmath>
#include <limits>

#include "monitoring/promql/functions.hpp"
#include "promql/extremes.hpp"
#include "promql/mapped.hpp"
#include "promql/vector_functions.hpp"

namespace monitoring::promql {

namespace {

constexpr double kPi = 3.14159265358979323846;

double sign(double value) {
  if (value < 0) return -1;
  if (value > 0) return 1;
  return value;
}

using Math = double (*)(double);

Math math_of(FunctionId id) {
  switch (id) {
    case FunctionId::kAbs:
      return [](double x) { return std::fabs(x); };
    case FunctionId::kCeil:
      return [](double x) { return std::ceil(x); };
    case FunctionId::kFloor:
      return [](double x) { return std::floor(x); };
    case FunctionId::kExp:
      return [](double x) { return std::exp(x); };
    case FunctionId::kSqrt:
      return [](double x) { return std::sqrt(x); };
    case FunctionId::kLn:
      return [](double x) { return std::log(x); };
    case FunctionId::kLog2:
      return [](double x) { return std::log2(x); };
    case FunctionId::kLog10:
      return [](double x) { return std::log10(x); };
    case FunctionId::kSgn:
      return sign;
    case FunctionId::kSin:
      return [](double x) { return std::sin(x); };
    case FunctionId::kCos:
      return [](double x) { return std::cos(x); };
    case FunctionId::kTan:
      return [](double x) { return std::tan(x); };
    case FunctionId::kAsin:
      return [](double x) { return std::asin(x); };
    case FunctionId::kAcos:
      return [](double x) { return std::acos(x); };
    case FunctionId::kAtan:
      return [](double x) { return std::atan(x); };
    case FunctionId::kSinh:
      return [](double x) { return std::sinh(x); };
    case FunctionId::kCosh:
      return [](double x) { return std::cosh(x); };
    case FunctionId::kTanh:
      return [](double x) { return std::tanh(x); };
    case FunctionId::kAsinh:
      return [](double x) { return std::asinh(x); };
    case FunctionId::kAcosh:
      return [](double x) { return std::acosh(x); };
    case FunctionId::kAtanh:
      return [](double x) { return std::atanh(x); };
    case FunctionId::kDeg:
      return [](double x) { return x * 180 / kPi; };
    case FunctionId::kRad:
      return [](double x) { return x * kPi / 180; };
    default:
      return nullptr;
  }
}

StreamPtr open_clamp(const CallExpr& node, const Steps& steps, Evaluation& evaluation) {
  const double infinity = std::numeric_limits<double>::infinity();
  const FunctionId id = node.function->id;
  StepScalars least = id == FunctionId::kClampMax
                          ? step_scalars(-infinity, steps, evaluation)
                          : step_scalars(*node.arguments[1], steps, evaluation);
  StepScalars most = id == FunctionId::kClampMin
                         ? step_scalars(infinity, steps, evaluation)
                         : step_scalars(*node.arguments.back(), steps, evaluation);
  return mapped_values(
      *node.arguments[0], steps, evaluation,
      [least = std::move(least), most = std::move(most)](double value, std::size_t i) {
        if (most[i] < least[i]) return absent();
        return larger_of(least[i], smaller_of(most[i], value));
      });
}

StreamPtr open_round(const CallExpr& node, const Steps& steps, Evaluation& evaluation) {
  StepScalars nearest = node.arguments.size() > 1
                            ? step_scalars(*node.arguments[1], steps, evaluation)
                            : step_scalars(1, steps, evaluation);
  return mapped_values(*node.arguments[0], steps, evaluation,
                       [nearest = std::move(nearest)](double value, std::size_t i) {
                         // The inverse makes fewer errors of floating point.
                         const double inverse = 1 / nearest[i];
                         return std::floor(value * inverse + 0.5) / inverse;
                       });
}

}  // namespace

StreamPtr open_math_function(const CallExpr& node, const Steps& steps, Evaluation& evaluation) {
  switch (node.function->id) {
    case FunctionId::kClamp:
    case FunctionId::kClampMax:
    case FunctionId::kClampMin:
      return open_clamp(node, steps, evaluation);
    case FunctionId::kRound:
      return open_round(node, steps, evaluation);
    default:
      break;
  }
  const Math math = math_of(node.function->id);
  if (math == nullptr) return nullptr;
  return mapped_values(*node.arguments[0], steps, evaluation,
                       [math](double value, std::size_t) { return math(value); });
}

}  // namespace monitoring::promql
