// What a query reads, known before it reads anything.

#include <algorithm>

#include "promql/durations.hpp"
#include "promql/raw_series.hpp"

namespace monitoring::promql {

namespace {

std::int64_t span_ms(const QueryRange& range) {
  return range.end_ms - range.start_ms;
}

class Planner {
 public:
  Planner(const QueryRange& range, const EngineOptions& options)
      : range_(range), options_(options) {}

  void visit(const Expr& expr, const Steps& steps) {
    switch (expr.kind) {
      case Expr::Kind::kNumber:
      case Expr::Kind::kString:
        return;
      case Expr::Kind::kVectorSelector:
        return add(as<VectorSelector>(expr), steps, options_.lookback_ms);
      case Expr::Kind::kMatrixSelector: {
        const auto& node = as<MatrixSelector>(expr);
        return add(*node.selector, steps, duration_ms(node.range, range_));
      }
      case Expr::Kind::kSubquery: {
        const auto& node = as<Subquery>(expr);
        const auto inner = subquery_steps(node, steps, range_, options_);
        if (inner && inner->count > 0) visit(*node.expr, *inner);
        return;
      }
      case Expr::Kind::kUnary:
        return visit(*as<UnaryExpr>(expr).expr, steps);
      case Expr::Kind::kParen:
        return visit(*as<ParenExpr>(expr).expr, steps);
      case Expr::Kind::kBinary:
        visit(*as<BinaryExpr>(expr).left, steps);
        return visit(*as<BinaryExpr>(expr).right, steps);
      case Expr::Kind::kAggregation: {
        const auto& node = as<AggregateExpr>(expr);
        if (node.parameter) visit(*node.parameter, steps);
        return visit(*node.expr, steps);
      }
      case Expr::Kind::kCall:
        for (const ExprPtr& argument : as<CallExpr>(expr).arguments) visit(*argument, steps);
        return;
    }
  }

  std::vector<SharedSelection> take() { return std::move(found_); }

 private:
  void add(const VectorSelector& node, const Steps& steps, std::int64_t back_ms) {
    const Shift shift = shift_of(node.shift, range_);
    const std::int64_t from = shift.reference(steps.start_ms);
    SharedSelection next;
    next.selection.matchers = node.matchers;
    next.selection.start_ms = from - back_ms + (options_.as_before_3 ? 0 : 1);
    next.selection.end_ms = shift.reference(steps.last_ms());
    next.uses = 1;
    // Joined with all that it touches, which may touch each other only now.
    for (auto at = found_.begin(); at != found_.end();) {
      if (!touches(at->selection, next.selection)) {
        ++at;
        continue;
      }
      next.selection.start_ms = std::min(next.selection.start_ms, at->selection.start_ms);
      next.selection.end_ms = std::max(next.selection.end_ms, at->selection.end_ms);
      next.uses += at->uses;
      at = found_.erase(at);
    }
    found_.push_back(std::move(next));
  }

  static bool touches(const Selection& a, const Selection& b) {
    return a.start_ms <= b.end_ms && b.start_ms <= a.end_ms && a.matchers == b.matchers;
  }

  const QueryRange& range_;
  const EngineOptions& options_;
  std::vector<SharedSelection> found_;
};

std::optional<Error> problem_of(const DurationValue& duration, const QueryRange& range,
                                bool must_be_positive) {
  if (!duration.expr) return {};
  const auto ms = resolved_ms(duration, range.step_ms, span_ms(range));
  if (!ms) return ms.error();
  if (must_be_positive && *ms <= 0) {
    return Error::at(duration.expr->span.start, "duration must be greater than 0");
  }
  return {};
}

}  // namespace

std::int64_t duration_ms(const DurationValue& duration, const QueryRange& range) {
  const auto ms = resolved_ms(duration, range.step_ms, span_ms(range));
  return ms ? *ms : 0;
}

Shift shift_of(const TimeShift& shift, const QueryRange& range) {
  Shift resolved;
  resolved.offset_ms = duration_ms(shift.offset, range);
  if (shift.at == TimeShift::At::kTime) resolved.at_ms = shift.at_ms;
  if (shift.at == TimeShift::At::kStart) resolved.at_ms = range.start_ms;
  if (shift.at == TimeShift::At::kEnd) resolved.at_ms = range.end_ms;
  return resolved;
}

std::optional<Error> problem_of_durations(const Expr& expr, const QueryRange& range) {
  switch (expr.kind) {
    case Expr::Kind::kNumber:
    case Expr::Kind::kString:
      return {};
    case Expr::Kind::kVectorSelector:
      return problem_of(as<VectorSelector>(expr).shift.offset, range, false);
    case Expr::Kind::kMatrixSelector: {
      const auto& node = as<MatrixSelector>(expr);
      if (auto problem = problem_of(node.range, range, true)) return problem;
      return problem_of(node.selector->shift.offset, range, false);
    }
    case Expr::Kind::kSubquery: {
      const auto& node = as<Subquery>(expr);
      if (auto problem = problem_of(node.range, range, true)) return problem;
      if (auto problem = problem_of(node.step, range, true)) return problem;
      if (auto problem = problem_of(node.shift.offset, range, false)) return problem;
      return problem_of_durations(*node.expr, range);
    }
    case Expr::Kind::kUnary:
      return problem_of_durations(*as<UnaryExpr>(expr).expr, range);
    case Expr::Kind::kParen:
      return problem_of_durations(*as<ParenExpr>(expr).expr, range);
    case Expr::Kind::kBinary:
      if (auto problem = problem_of_durations(*as<BinaryExpr>(expr).left, range)) return problem;
      return problem_of_durations(*as<BinaryExpr>(expr).right, range);
    case Expr::Kind::kAggregation: {
      const auto& node = as<AggregateExpr>(expr);
      if (node.parameter) {
        if (auto problem = problem_of_durations(*node.parameter, range)) return problem;
      }
      return problem_of_durations(*node.expr, range);
    }
    case Expr::Kind::kCall:
      for (const ExprPtr& argument : as<CallExpr>(expr).arguments) {
        if (auto problem = problem_of_durations(*argument, range)) return problem;
      }
      return {};
  }
  return {};
}

std::optional<Steps> subquery_steps(const Subquery& node, const Steps& outer,
                                    const QueryRange& range, const EngineOptions& options) {
  const Shift shift = shift_of(node.shift, range);
  Steps inner;
  inner.interval_ms =
      node.step.is_set() ? duration_ms(node.step, range) : options.default_subquery_step_ms;
  const std::int64_t end_ms = shift.reference(outer.last_ms());
  const std::int64_t before_ms = shift.reference(outer.start_ms) - duration_ms(node.range, range);
  // Steps are whole multiples of the interval, whenever the query is made.
  inner.start_ms = before_ms / inner.interval_ms * inner.interval_ms;
  const bool is_outside =
      options.as_before_3 ? inner.start_ms < before_ms : inner.start_ms <= before_ms;
  if (is_outside) inner.start_ms += inner.interval_ms;
  if (inner.start_ms > end_ms) {
    inner.count = 0;
    return inner;
  }
  const auto steps = static_cast<std::size_t>((end_ms - inner.start_ms) / inner.interval_ms);
  if (steps >= options.max_samples) return {};
  inner.count = steps + 1;
  return inner;
}

std::vector<SharedSelection> planned_selections(const Expr& expr, const Steps& steps,
                                                const QueryRange& range,
                                                const EngineOptions& options) {
  Planner planner(range, options);
  planner.visit(expr, steps);
  return planner.take();
}

}  // namespace monitoring::promql
