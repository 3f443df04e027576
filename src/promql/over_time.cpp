// <aggregation>_over_time without an order among the values.

#include <cmath>

#include "promql/range_functions.hpp"
#include "promql/sums.hpp"
#include "promql/windows.hpp"

namespace monitoring::promql {

namespace {

double larger(double kept, double value) {
  return value > kept || std::isnan(kept) ? value : kept;
}
double smaller(double kept, double value) {
  return value < kept || std::isnan(kept) ? value : kept;
}

// The states of windows that are too large to be looked at for each step.

template <double (*Choose)(double, double)>
struct Extreme {
  double value = 0;
  static Extreme of(std::int64_t, double value) { return {value}; }
  void add(const Extreme& later) { value = Choose(value, later.value); }
};

struct Sum {
  CompensatedSum state;
  std::size_t count = 0;
  static Sum of(std::int64_t, double value) { return {{value, 0}, 1}; }
  void add(const Sum& later) {
    state.add(later.state.sum);
    state.compensation += later.state.compensation;
    count += later.count;
  }
};

/// Means of parts that are merged: no sum can overflow.
struct MergedMean {
  double mean = 0;
  double count = 0;
  static MergedMean of(std::int64_t, double value) { return {value, 1}; }
  void add(const MergedMean& later) {
    const double total = count + later.count;
    mean = mean * (count / total) + later.mean * (later.count / total);
    count = total;
  }
};

/// Chan's way of merging what Welford's counts.
struct Spread {
  double count = 0;
  double mean = 0;
  double squares = 0;
  static Spread of(std::int64_t, double value) {
    // An infinite value has no spread, as in Welford's.
    return {1, value, std::isfinite(value) ? 0 : std::nan("")};
  }
  void add(const Spread& later) {
    const double total = count + later.count;
    const double delta = later.mean - mean;
    squares += later.squares + delta * delta * (count * later.count / total);
    mean += delta * (later.count / total);
    count = total;
  }
};

double mean_of(const Window& window) {
  Mean mean;
  for (std::size_t i = 0; i < window.size; ++i) mean.add(window.values[i]);
  return mean.value();
}

double sum_of(const Window& window) {
  CompensatedSum sum;
  for (std::size_t i = 0; i < window.size; ++i) sum.add(window.values[i]);
  return sum.total();
}

double variance_of(const Window& window) {
  double count = 0;
  CompensatedSum mean;
  CompensatedSum squares;
  for (std::size_t i = 0; i < window.size; ++i) {
    const double value = window.values[i];
    ++count;
    const double delta = value - (mean.sum + mean.compensation);
    mean.add(delta / count);
    squares.add(delta * (value - (mean.sum + mean.compensation)));
  }
  return (squares.sum + squares.compensation) / count;
}

template <double (*Choose)(double, double)>
double extreme_of(const Window& window) {
  double kept = window.front();
  for (std::size_t i = 1; i < window.size; ++i) kept = Choose(kept, window.values[i]);
  return kept;
}

template <class ValueOf>
void each(const RangeCall& call, std::vector<double>& values, ValueOf value_of) {
  each_window(call, values, [&](const Window& window, std::size_t) { return value_of(window); });
}

/// Small windows each by itself, large ones by their states.
template <class State, class ValueOf, class ValueOfState>
void each(const RangeCall& call, std::vector<double>& values, ValueOf value_of,
          ValueOfState value_of_state, double most_in_order = kMostInOrder) {
  if (are_windows_small(call.series, call.plan, call.steps, most_in_order))
    return each(call, values, value_of);
  SlidingFold<State> fold(call.series);
  each(call, values, [&](const Window& window) { return value_of_state(fold.of(window)); });
}

void compute_mean(const RangeCall& call, std::vector<double>& values) {
  if (are_windows_small(call.series, call.plan, call.steps)) return each(call, values, mean_of);
  SlidingFold<Sum> sums(call.series);
  SlidingFold<MergedMean> means(call.series);
  each(call, values, [&](const Window& window) {
    const Sum sum = sums.of(window);
    const MergedMean mean = means.of(window);
    const auto count = static_cast<double>(sum.count);
    if (std::isinf(sum.state.sum)) return mean.mean;
    return sum.state.sum / count + sum.state.compensation / count;
  });
}

void compute_variance(const RangeCall& call, std::vector<double>& values,
                      double (*finish)(double)) {
  each<Spread>(
      call, values, [&](const Window& window) { return finish(variance_of(window)); },
      [&](const Spread& spread) { return finish(spread.squares / spread.count); });
}

double same(double value) {
  return value;
}

template <double (*Choose)(double, double)>
void compute_extreme(const RangeCall& call, std::vector<double>& values) {
  each<Extreme<Choose>>(
      call, values, extreme_of<Choose>,
      [](const Extreme<Choose>& extreme) { return extreme.value; }, kFewSamples);
}

double seconds_at(const Window& window, std::size_t i) {
  return static_cast<double>(window.times_ms[i]) / 1000;
}

/// The time of the last of the values that are not exceeded.
template <class Exceeds>
double time_of_extreme(const Window& window, Exceeds exceeds) {
  std::size_t kept = 0;
  for (std::size_t i = 1; i < window.size; ++i) {
    if (!exceeds(window.values[kept], window.values[i])) kept = i;
  }
  return seconds_at(window, kept);
}

}  // namespace

bool compute_over_time(FunctionId id, const RangeCall& call, std::vector<double>& values) {
  switch (id) {
    case FunctionId::kAvgOverTime:
      compute_mean(call, values);
      return true;
    case FunctionId::kSumOverTime:
      each<Sum>(call, values, sum_of, [](const Sum& sum) { return sum.state.total(); });
      return true;
    case FunctionId::kMaxOverTime:
      compute_extreme<larger>(call, values);
      return true;
    case FunctionId::kMinOverTime:
      compute_extreme<smaller>(call, values);
      return true;
    case FunctionId::kStdvarOverTime:
      compute_variance(call, values, same);
      return true;
    case FunctionId::kStddevOverTime:
      compute_variance(call, values, [](double variance) { return std::sqrt(variance); });
      return true;
    case FunctionId::kCountOverTime:
      each(call, values, [](const Window& window) { return static_cast<double>(window.size); });
      return true;
    case FunctionId::kPresentOverTime:
    case FunctionId::kAbsentOverTime:
      each(call, values, [](const Window&) { return 1.0; });
      return true;
    case FunctionId::kLastOverTime:
      each(call, values, [](const Window& window) { return window.back(); });
      return true;
    case FunctionId::kFirstOverTime:
      each(call, values, [](const Window& window) { return window.front(); });
      return true;
    case FunctionId::kTsOfFirstOverTime:
      each(call, values, [](const Window& window) { return seconds_at(window, 0); });
      return true;
    case FunctionId::kTsOfLastOverTime:
      each(call, values, [](const Window& window) { return seconds_at(window, window.size - 1); });
      return true;
    case FunctionId::kTsOfMaxOverTime:
      each(call, values, [](const Window& window) {
        return time_of_extreme(
            window, [](double kept, double value) { return !(value >= kept || std::isnan(kept)); });
      });
      return true;
    case FunctionId::kTsOfMinOverTime:
      each(call, values, [](const Window& window) {
        return time_of_extreme(
            window, [](double kept, double value) { return !(value <= kept || std::isnan(kept)); });
      });
      return true;
    default:
      return false;
  }
}

}  // namespace monitoring::promql
