// rate, increase, delta; irate, idelta; changes, resets.

#include <cmath>

#include "promql/range_functions.hpp"
#include "promql/windows.hpp"

namespace monitoring::promql {

namespace {

/// Where a counter fell, and what it lost there.
class Resets {
 public:
  explicit Resets(const RangeSeries& series) {
    for (std::size_t i = 1; i < series.size; ++i) {
      if (!(series.values[i] < series.values[i - 1])) continue;
      places_.push_back(i);
      losses_.push_back(series.values[i - 1]);
    }
  }

  /// `increase` with all losses inside of the window added, in order. Windows only move forward.
  double corrected(double increase, const Window& window) {
    while (first_ < places_.size() && places_[first_] <= window.first) ++first_;
    while (end_ < places_.size() && places_[end_] < window.end()) ++end_;
    if (first_ >= end_) return increase;
    if (end_ - first_ > kMostInOrder) return increase + lost_between(first_, end_);
    for (std::size_t i = first_; i < end_; ++i) increase += losses_[i];
    return increase;
  }

 private:
  /// Beyond that the order of additions no longer is Prometheus's, but the time stays in bounds.
  static constexpr std::size_t kMostInOrder = 256;

  double lost_between(std::size_t first, std::size_t end) {
    if (totals_.empty()) {
      totals_.push_back(0);
      for (const double loss : losses_) totals_.push_back(totals_.back() + loss);
    }
    return static_cast<double>(totals_[end] - totals_[first]);
  }

  std::vector<std::size_t> places_;
  std::vector<double> losses_;
  std::vector<long double> totals_;
  std::size_t first_ = 0;
  std::size_t end_ = 0;
};

double seconds(std::int64_t ms) {
  return static_cast<double>(ms) / 1000;
}

/// By what an increase between the samples of a window is to be multiplied so that it is one over
/// the whole window, as far as the samples suggest that the series covers it.
double extrapolation(const Window& window, double increase, bool is_counter, bool as_before_3) {
  double to_start = seconds(window.times_ms[0] - window.start_ms);
  double to_end = seconds(window.end_ms - window.times_ms[window.size - 1]);
  const double sampled = seconds(window.times_ms[window.size - 1] - window.times_ms[0]);
  const double average = sampled / static_cast<double>(window.size - 1);
  const double threshold = average * 1.1;
  if (!as_before_3 && to_start >= threshold) to_start = average / 2;
  if (is_counter && increase > 0 && window.front() >= 0) {
    // A counter is not extrapolated below zero.
    const double to_zero = sampled * (window.front() / increase);
    if (to_zero < to_start) to_start = to_zero;
  }
  if (as_before_3 && to_start >= threshold) to_start = average / 2;
  if (to_end >= threshold) to_end = average / 2;
  return (sampled + to_start + to_end) / sampled;
}

void compute_extrapolated(FunctionId id, const RangeCall& call, std::vector<double>& values) {
  const bool is_counter = id != FunctionId::kDelta;
  const bool is_rate = id == FunctionId::kRate;
  const bool as_before_3 = call.plan.as_before_3;
  const double range_seconds = seconds(call.plan.range_ms);
  Resets resets(is_counter ? call.series : RangeSeries{});
  each_window(call, values, [&](const Window& window, std::size_t) {
    if (window.size < 2) return absent();
    double increase = window.back() - window.front();
    if (is_counter) increase = resets.corrected(increase, window);
    double factor = extrapolation(window, increase, is_counter, as_before_3);
    if (is_rate) factor /= range_seconds;
    return increase * factor;
  });
}

void compute_instant(FunctionId id, const RangeCall& call, std::vector<double>& values) {
  const bool is_rate = id == FunctionId::kIrate;
  each_window(call, values, [&](const Window& window, std::size_t) {
    if (window.size < 2) return absent();
    const double last = window.back();
    const double previous = window.values[window.size - 2];
    const bool was_reset = is_rate && last < previous;
    const double increase = was_reset ? last : last - previous;
    if (!is_rate) return increase;
    return increase / seconds(window.times_ms[window.size - 1] - window.times_ms[window.size - 2]);
  });
}

/// How many samples of a window differ from the one before them in this way.
template <class Differs>
void count_differing(const RangeCall& call, std::vector<double>& values, Differs differs) {
  const RangeSeries& series = call.series;
  std::vector<std::size_t> before(series.size, 0);
  for (std::size_t i = 1; i < series.size; ++i) {
    before[i] = before[i - 1] + (differs(series.values[i - 1], series.values[i]) ? 1 : 0);
  }
  each_window(call, values, [&](const Window& window, std::size_t) {
    return static_cast<double>(before[window.end() - 1] - before[window.first]);
  });
}

}  // namespace

bool compute_rate(FunctionId id, const RangeCall& call, std::vector<double>& values) {
  switch (id) {
    case FunctionId::kRate:
    case FunctionId::kIncrease:
    case FunctionId::kDelta:
      compute_extrapolated(id, call, values);
      return true;
    case FunctionId::kIrate:
    case FunctionId::kIdelta:
      compute_instant(id, call, values);
      return true;
    case FunctionId::kChanges:
      count_differing(call, values, [](double before, double now) {
        return now != before && !(std::isnan(now) && std::isnan(before));
      });
      return true;
    case FunctionId::kResets:
      count_differing(call, values, [](double before, double now) { return now < before; });
      return true;
    default:
      return false;
  }
}

}  // namespace monitoring::promql
