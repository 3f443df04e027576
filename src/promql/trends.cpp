// deriv, predict_linear, double_exponential_smoothing.

#include <cmath>
#include <limits>

#include "promql/range_functions.hpp"
#include "promql/sums.hpp"
#include "promql/windows.hpp"

namespace monitoring::promql {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Line {
  double slope = 0;
  double intercept = 0;
};

Line constant_line(double value) {
  return std::isinf(value) ? Line{kNaN, kNaN} : Line{0, value};
}

/// Least squares; the intercept is the value at `origin_ms`.
Line line_through(const Window& window, std::int64_t origin_ms) {
  CompensatedSum x_sum;
  CompensatedSum y_sum;
  CompensatedSum xy_sum;
  CompensatedSum xx_sum;
  bool is_constant = true;
  for (std::size_t i = 0; i < window.size; ++i) {
    const double y = window.values[i];
    const double x = static_cast<double>(window.times_ms[i] - origin_ms) / 1000;
    is_constant = is_constant && (i == 0 || y == window.front());
    x_sum.add(x);
    y_sum.add(y);
    xy_sum.add(x * y);
    xx_sum.add(x * x);
  }
  if (is_constant) return constant_line(window.front());
  const auto raw = [](const CompensatedSum& sum) { return sum.sum + sum.compensation; };
  const auto count = static_cast<double>(window.size);
  const double covariance = raw(xy_sum) - raw(x_sum) * raw(y_sum) / count;
  const double variance = raw(xx_sum) - raw(x_sum) * raw(x_sum) / count;
  const double slope = covariance / variance;
  return {slope, raw(y_sum) / count - slope * raw(x_sum) / count};
}

/// What is known of the samples of a large window: means and sums of products of deviations.
struct Regression {
  double count = 0;
  double x_mean = 0;  ///< ms since the first sample that is in it
  double y_mean = 0;
  double xy = 0;
  double xx = 0;
  std::int64_t origin_ms = 0;
  double first = 0;
  bool is_constant = true;

  static Regression of(std::int64_t time_ms, double value) {
    Regression regression;
    regression.count = 1;
    regression.y_mean = value;
    regression.first = value;
    regression.origin_ms = time_ms;
    return regression;
  }
  void add(const Regression& later) {
    const double total = count + later.count;
    const double x = static_cast<double>(later.origin_ms - origin_ms) + later.x_mean - x_mean;
    const double y = later.y_mean - y_mean;
    const double weight = count * later.count / total;
    xy += later.xy + x * y * weight;
    xx += later.xx + x * x * weight;
    x_mean += x * (later.count / total);
    y_mean += y * (later.count / total);
    is_constant = is_constant && later.is_constant && first == later.first;
    count = total;
  }
  Line line(std::int64_t at_ms) const {
    if (is_constant) return constant_line(first);
    const double slope = xy / xx * 1000;
    const double x = static_cast<double>(at_ms - origin_ms) - x_mean;
    return {slope, y_mean + slope * x / 1000};
  }
};

/// `value_of(line, step)`, for windows of two samples and more; `origin_of(window, step)`.
template <class OriginOf, class ValueOf>
void each_line(const RangeCall& call, std::vector<double>& values, OriginOf origin_of,
               ValueOf value_of) {
  const bool small = are_windows_small(call.series, call.plan, call.steps);
  SlidingFold<Regression> fold(call.series);
  each_window(call, values, [&](const Window& window, std::size_t step) {
    if (window.size < 2) return absent();
    const std::int64_t origin_ms = origin_of(window, step);
    const Line line = small ? line_through(window, origin_ms) : fold.of(window).line(origin_ms);
    return value_of(line, step);
  });
}

double smoothed(const Window& window, double smoothing, double trending) {
  double before = 0;
  double now = window.values[0];
  double trend = window.values[1] - window.values[0];
  for (std::size_t i = 1; i < window.size; ++i) {
    if (i > 1) trend = trending * (now - before) + (1 - trending) * trend;
    const double next = smoothing * window.values[i] + (1 - smoothing) * (now + trend);
    before = now;
    now = next;
  }
  return now;
}

}  // namespace

bool compute_trend(FunctionId id, const RangeCall& call, std::vector<double>& values) {
  switch (id) {
    case FunctionId::kDeriv:
      each_line(
          call, values, [](const Window& window, std::size_t) { return window.times_ms[0]; },
          [](const Line& line, std::size_t) { return line.slope; });
      return true;
    case FunctionId::kPredictLinear:
      each_line(
          call, values, [&](const Window&, std::size_t step) { return call.steps.at(step); },
          [&](const Line& line, std::size_t step) {
            return line.slope * call.scalars[0][step] + line.intercept;
          });
      return true;
    case FunctionId::kDoubleExponentialSmoothing:
      each_window(call, values, [&](const Window& window, std::size_t step) {
        if (window.size < 2) return absent();
        return smoothed(window, call.scalars[0][step], call.scalars[1][step]);
      });
      return true;
    default:
      return false;
  }
}

}  // namespace monitoring::promql
