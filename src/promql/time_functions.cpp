// timestamp() and the parts of dates.

#include <cmath>
#include <limits>

#include "monitoring/base/civil.hpp"
#include "monitoring/promql/functions.hpp"
#include "promql/mapped.hpp"
#include "promql/selectors.hpp"
#include "promql/vector_functions.hpp"

namespace monitoring::promql {

namespace {

constexpr std::int64_t kSecondsInDay = 24 * 60 * 60;

/// A time in UTC.
struct Moment {
  std::int64_t days;
  Date date;
  std::int64_t second_of_day;
};

Moment moment_of(double unix_seconds) {
  const auto whole = static_cast<std::int64_t>(unix_seconds);
  const std::int64_t days = floor_divide(whole, kSecondsInDay);
  return {days, date_of(days), whole - days * kSecondsInDay};
}

double part_of(FunctionId id, double unix_seconds) {
  // Years beyond any calendar have no parts.
  constexpr double kMostSeconds = 1e17;
  if (!(std::fabs(unix_seconds) < kMostSeconds)) return std::numeric_limits<double>::quiet_NaN();
  const Moment moment = moment_of(unix_seconds);
  switch (id) {
    case FunctionId::kDayOfMonth:
      return moment.date.day;
    case FunctionId::kDayOfWeek:
      return day_of_week(moment.days);
    case FunctionId::kDayOfYear:
      return static_cast<double>(moment.days - days_of({moment.date.year, 1, 1}) + 1);
    case FunctionId::kDaysInMonth:
      return days_in_month(moment.date.year, moment.date.month);
    case FunctionId::kHour:
      return static_cast<double>(moment.second_of_day / 3600);
    case FunctionId::kMinute:
      return static_cast<double>(moment.second_of_day / 60 % 60);
    case FunctionId::kMonth:
      return moment.date.month;
    default:
      return static_cast<double>(moment.date.year);
  }
}

bool is_part_of_date(FunctionId id) {
  switch (id) {
    case FunctionId::kDayOfMonth:
    case FunctionId::kDayOfWeek:
    case FunctionId::kDayOfYear:
    case FunctionId::kDaysInMonth:
    case FunctionId::kHour:
    case FunctionId::kMinute:
    case FunctionId::kMonth:
    case FunctionId::kYear:
      return true;
    default:
      return false;
  }
}

double seconds_at(const Steps& steps, std::size_t i) {
  return static_cast<double>(steps.at(i)) / 1000;
}

StreamPtr open_timestamp(const Expr& argument, const Steps& steps, Evaluation& evaluation) {
  const Expr& node = unwrapped(argument);
  if (node.kind != Expr::Kind::kVectorSelector) {
    // What was computed has the time of the evaluation.
    return mapped_values(argument, steps, evaluation,
                         [steps](double, std::size_t i) { return seconds_at(steps, i); });
  }
  StreamPtr stream =
      mapped(open_selector_times(as<VectorSelector>(node), steps, evaluation), evaluation,
             [&evaluation](StepSeries& series) { drop_name(series, evaluation.options()); });
  const bool may_collide =
      !evaluation.options().delayed_name_removal && may_have_several_names(node);
  return may_collide ? unique(std::move(stream), evaluation, steps) : std::move(stream);
}

}  // namespace

StreamPtr open_time_function(const CallExpr& node, const Steps& steps, Evaluation& evaluation) {
  const FunctionId id = node.function->id;
  if (id == FunctionId::kTimestamp) return open_timestamp(*node.arguments[0], steps, evaluation);
  if (!is_part_of_date(id)) return nullptr;
  if (!node.arguments.empty()) {
    return mapped_values(*node.arguments[0], steps, evaluation,
                         [id](double value, std::size_t) { return part_of(id, value); });
  }
  return late(evaluation, [id, steps](HeldSeries& made) {
    StepSeries series;
    if (!made.held.add(steps.count, steps.count * sizeof(double))) return;
    for (std::size_t i = 0; i < steps.count; ++i) {
      series.values.push_back(part_of(id, seconds_at(steps, i)));
    }
    made.list.push_back(std::move(series));
  });
}

}  // namespace monitoring::promql
