#pragma once
// Windows that move over the samples of one series, and what is known of a window without looking
// at all of it again.

#include <cstddef>
#include <vector>

#include "promql/streams.hpp"

namespace monitoring::promql {

/// What a function of a range vector computes a series with.
struct RangeCall {
  const RangeSeries& series;
  const WindowPlan& plan;
  const Steps& steps;
  /// Of each argument that is a scalar, in order.
  const std::vector<StepScalars>& scalars;
  Evaluation& evaluation;
};

/// The samples of a series that are in the range of one step; never none.
struct Window {
  const std::int64_t* times_ms;
  const double* values;
  std::size_t size;
  /// Of the first sample, in the series.
  std::size_t first;
  std::int64_t start_ms;
  std::int64_t end_ms;

  std::size_t end() const { return first + size; }
  double front() const { return values[0]; }
  double back() const { return values[size - 1]; }
};

/// Calls `value_of(window, step)` for each step that has samples. Both ends of the window only move
/// forward: all steps together cost the samples once. What looks at all of a window for each step
/// may take long, and can be cancelled.
template <class Function>
void each_window(const RangeCall& call, std::vector<double>& values, Function value_of) {
  const auto& [series, plan, steps, scalars, evaluation] = call;
  constexpr std::size_t kSamplesBetweenLooks = 1U << 20;
  std::size_t looked_at = 0;
  values.assign(steps.count, absent());
  std::size_t first = 0;
  std::size_t end = 0;
  for (std::size_t step = 0; step < steps.count; ++step) {
    const std::int64_t end_ms = plan.end_at(steps.at(step));
    const std::int64_t start_ms = end_ms - plan.range_ms;
    const std::int64_t oldest_ms = plan.as_before_3 ? start_ms : start_ms + 1;
    while (end < series.size && series.times_ms[end] <= end_ms) ++end;
    while (first < end && series.times_ms[first] < oldest_ms) ++first;
    if (first == end) continue;
    looked_at += end - first;
    if (looked_at > kSamplesBetweenLooks) {
      if (!evaluation.goes_on()) return;
      looked_at = 0;
    }
    values[step] = value_of(Window{series.times_ms + first, series.values + first, end - first,
                                   first, start_ms, end_ms},
                            step);
  }
}

/// The fold of a window in constant time a step: the part of it that was there when it was last
/// folded anew is known from each of its samples on, and the rest has one state. `State` has
/// static State of(time_ms, value) and void add(const State& later).
template <class State>
class SlidingFold {
 public:
  explicit SlidingFold(const RangeSeries& series) : series_(series) {}

  State of(const Window& window) {
    if (window.first >= middle_) fold_anew(window);
    for (; next_ < window.end(); ++next_) add_later(next_);
    State state = known_[window.first - base_];
    if (has_later_) state.add(later_);
    return state;
  }

 private:
  State state_at(std::size_t i) const { return State::of(series_.times_ms[i], series_.values[i]); }
  void fold_anew(const Window& window) {
    base_ = window.first;
    middle_ = window.end();
    next_ = middle_;
    has_later_ = false;
    known_.resize(window.size);
    for (std::size_t i = window.size; i-- > 0;) {
      known_[i] = state_at(base_ + i);
      if (i + 1 < window.size) known_[i].add(known_[i + 1]);
    }
  }
  void add_later(std::size_t i) {
    if (has_later_) {
      later_.add(state_at(i));
    } else {
      later_ = state_at(i);
      has_later_ = true;
    }
  }

  const RangeSeries& series_;
  std::size_t base_ = 0;
  std::size_t middle_ = 0;
  std::size_t next_ = 0;
  bool has_later_ = false;
  State later_{};
  std::vector<State> known_;
};

/// Up to that many samples a window is added up by itself, in Prometheus's order and to its last
/// bit.
inline constexpr double kMostInOrder = 128;
/// Where the order makes no difference, only very small ones are.
inline constexpr double kFewSamples = 8;

/// Whether windows have no more samples than that, or are so few that it makes no difference.
bool are_windows_small(const RangeSeries& series, const WindowPlan& plan, const Steps& steps,
                       double most_samples = kMostInOrder);

}  // namespace monitoring::promql
