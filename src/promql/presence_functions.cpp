// absent, absent_over_time, vector, scalar.

#include <cmath>
#include <limits>
#include <set>

#include "monitoring/promql/functions.hpp"
#include "promql/mapped.hpp"
#include "promql/range_functions.hpp"
#include "promql/vector_functions.hpp"

namespace monitoring::promql {

namespace {

/// The labels that a selector asks for by =, once each.
Labels wanted_labels(const Expr& argument) {
  const std::vector<Matcher>* matchers = nullptr;
  if (argument.kind == Expr::Kind::kVectorSelector) {
    matchers = &as<VectorSelector>(argument).matchers;
  } else if (argument.kind == Expr::Kind::kMatrixSelector) {
    matchers = &as<MatrixSelector>(argument).selector->matchers;
  }
  Labels labels;
  if (matchers == nullptr) return labels;
  std::set<std::string> seen;
  for (const Matcher& matcher : *matchers) {
    if (matcher.name() == kNameLabel) continue;
    const bool is_new = seen.insert(matcher.name()).second;
    if (matcher.op() == MatchOp::kEqual && is_new && !matcher.value().empty()) {
      labels.set(matcher.name(), matcher.value());
    } else {
      labels.erase(matcher.name());
    }
  }
  return labels;
}

/// 1 at each step at which no series of the stream has a value.
StreamPtr open_absence(StreamPtr stream, Labels labels, const Steps& steps,
                       Evaluation& evaluation) {
  return late(evaluation, [stream = std::move(stream), labels = std::move(labels), steps,
                           &evaluation](HeldSeries& made) {
    if (!made.held.add(0, steps.count * sizeof(double))) return;
    StepSeries missing;
    missing.labels = labels;
    missing.values.assign(steps.count, 1);
    StepSeries series;
    while (evaluation.goes_on() && stream->next(series)) {
      for (std::size_t i = 0; i < steps.count; ++i) {
        if (!is_absent(series.values[i])) missing.values[i] = absent();
      }
    }
    if (count_present(missing.values) > 0) made.list.push_back(std::move(missing));
  });
}

}  // namespace

StreamPtr open_presence_function(const CallExpr& node, const Steps& steps, Evaluation& evaluation) {
  switch (node.function->id) {
    case FunctionId::kAbsent:
      return open_absence(open_vector(*node.arguments[0], steps, evaluation),
                          wanted_labels(*node.arguments[0]), steps, evaluation);
    case FunctionId::kAbsentOverTime:
      return open_absence(open_range_function(node, steps, evaluation),
                          wanted_labels(*node.arguments[0]), steps, evaluation);
    case FunctionId::kVector:
      return late(evaluation, [&node, steps, &evaluation](HeldSeries& made) {
        if (!made.held.add(steps.count, steps.count * sizeof(double))) return;
        StepSeries series;
        series.values = scalar_values(*node.arguments[0], steps, evaluation);
        made.list.push_back(std::move(series));
      });
    default:
      return nullptr;
  }
}

std::vector<double> scalars_of_vector(const Expr& expr, const Steps& steps,
                                      Evaluation& evaluation) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  std::vector<double> values(steps.count, kNaN);
  std::vector<bool> is_taken(steps.count);
  const StreamPtr stream = open_vector(expr, steps, evaluation);
  StepSeries series;
  while (evaluation.goes_on() && stream->next(series)) {
    for (std::size_t i = 0; i < steps.count; ++i) {
      if (is_absent(series.values[i])) continue;
      values[i] = is_taken[i] ? kNaN : series.values[i];
      is_taken[i] = true;
    }
  }
  return values;
}

}  // namespace monitoring::promql
