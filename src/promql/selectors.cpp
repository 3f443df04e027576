#include "promql/selectors.hpp"

#include <algorithm>

#include "promql/raw_series.hpp"

namespace monitoring::promql {

namespace {

struct Lookback {
  std::int64_t lookback_ms;
  bool as_before_3;

  bool reaches(std::int64_t sample_ms, std::int64_t reference_ms) const {
    const std::int64_t oldest_ms = reference_ms - lookback_ms;
    return as_before_3 ? sample_ms >= oldest_ms : sample_ms > oldest_ms;
  }
};

/// The newest sample at each step.
class SelectorStream final : public SeriesStream {
 public:
  SelectorStream(const VectorSelector& node, const Steps& steps, bool wants_times,
                 Evaluation& evaluation)
      : steps_(steps),
        shift_(shift_of(node.shift, evaluation.range())),
        lookback_{evaluation.options().lookback_ms, evaluation.options().as_before_3},
        wants_times_(wants_times),
        evaluation_(evaluation) {
    const std::int64_t first_ms = shift_.reference(steps.start_ms) - lookback_.lookback_ms;
    cursor_ = open_raw(node.matchers, first_ms + (lookback_.as_before_3 ? 0 : 1),
                       shift_.reference(steps.last_ms()), evaluation);
  }

  bool next(StepSeries& series) override {
    while (cursor_->next()) {
      if (!fill(cursor_->samples(), series.values)) continue;
      series.labels = cursor_->labels();
      series.drop_name = false;
      return !evaluation_.failed();
    }
    return false;
  }

 private:
  /// Whether some step has a value.
  bool fill(const RawSamples& samples, std::vector<double>& values) {
    values.assign(steps_.count, absent());
    std::size_t next = 0;
    bool any = false;
    for (std::size_t i = 0; i < steps_.count; ++i) {
      if (i % kTurnsBetweenLooks == kTurnsBetweenLooks - 1 && !evaluation_.goes_on()) return false;
      const std::int64_t reference_ms = shift_.reference(steps_.at(i));
      while (next < samples.size && samples.times_ms[next] <= reference_ms) ++next;
      if (next == 0) continue;
      const std::int64_t time_ms = samples.times_ms[next - 1];
      const double value = samples.values[next - 1];
      if (!lookback_.reaches(time_ms, reference_ms) || is_stale(value)) continue;
      values[i] = wants_times_ ? static_cast<double>(time_ms) / 1000 : value;
      any = true;
    }
    return any;
  }

  Steps steps_;
  Shift shift_;
  Lookback lookback_;
  bool wants_times_;
  Evaluation& evaluation_;
  std::unique_ptr<RawCursor> cursor_;
};

/// All samples of the windows of a range selector.
class MatrixStream final : public RangeStream {
 public:
  MatrixStream(std::unique_ptr<RawCursor> cursor) : cursor_(std::move(cursor)) {}

  bool next(RangeSeries& series) override {
    while (cursor_->next()) {
      const RawSamples samples = cursor_->samples();
      if (samples.size == 0) continue;
      series.labels = cursor_->labels();
      series.drop_name = false;
      set_samples(samples, series);
      return true;
    }
    return false;
  }

 private:
  void set_samples(const RawSamples& samples, RangeSeries& series) {
    const double* const end = samples.values + samples.size;
    const double* const first_stale =
        std::find_if(samples.values, end, [](double value) { return is_stale(value); });
    if (first_stale == end) {
      series.times_ms = samples.times_ms;
      series.values = samples.values;
      series.size = samples.size;
      return;
    }
    times_ms_.clear();
    values_.clear();
    for (std::size_t i = 0; i < samples.size; ++i) {
      if (is_stale(samples.values[i])) continue;
      times_ms_.push_back(samples.times_ms[i]);
      values_.push_back(samples.values[i]);
    }
    series.times_ms = times_ms_.data();
    series.values = values_.data();
    series.size = times_ms_.size();
  }

  std::unique_ptr<RawCursor> cursor_;
  std::vector<std::int64_t> times_ms_;
  std::vector<double> values_;
};

/// The values of an expression at the steps of a subquery, as samples.
class SubqueryStream final : public RangeStream {
 public:
  SubqueryStream(StreamPtr stream, const Steps& steps, Evaluation& evaluation)
      : stream_(std::move(stream)), steps_(steps), held_(evaluation) {}

  bool next(RangeSeries& series) override {
    held_.release();
    if (!stream_->next(series_)) return false;
    series.labels = std::move(series_.labels);
    series.drop_name = series_.drop_name;
    times_ms_.clear();
    values_.clear();
    for (std::size_t i = 0; i < steps_.count; ++i) {
      if (is_absent(series_.values[i])) continue;
      times_ms_.push_back(steps_.at(i));
      values_.push_back(series_.values[i]);
    }
    series.times_ms = times_ms_.data();
    series.values = values_.data();
    series.size = times_ms_.size();
    return held_.add(times_ms_.size(), steps_.count * sizeof(double));
  }

 private:
  StreamPtr stream_;
  Steps steps_;
  Held held_;
  StepSeries series_;
  std::vector<std::int64_t> times_ms_;
  std::vector<double> values_;
};

class EmptyStream final : public SeriesStream {
 public:
  bool next(StepSeries&) override { return false; }
};

WindowPlan plan_of(const DurationValue& range, const TimeShift& time_shift,
                   const Evaluation& evaluation) {
  const Shift shift = shift_of(time_shift, evaluation.range());
  WindowPlan plan;
  plan.range_ms = duration_ms(range, evaluation.range());
  plan.offset_ms = shift.offset_ms;
  plan.at_ms = shift.at_ms;
  plan.as_before_3 = evaluation.options().as_before_3;
  return plan;
}

}  // namespace

StreamPtr open_selector(const VectorSelector& node, const Steps& steps, Evaluation& evaluation) {
  return std::make_unique<SelectorStream>(node, steps, false, evaluation);
}

StreamPtr open_selector_times(const VectorSelector& node, const Steps& steps,
                              Evaluation& evaluation) {
  return std::make_unique<SelectorStream>(node, steps, true, evaluation);
}

RangeVector open_matrix_selector(const MatrixSelector& node, const Steps& steps,
                                 Evaluation& evaluation) {
  RangeVector vector;
  vector.plan = plan_of(node.range, node.selector->shift, evaluation);
  const std::int64_t first_ms = vector.plan.end_at(steps.start_ms) - vector.plan.range_ms;
  vector.stream = std::make_unique<MatrixStream>(
      open_raw(node.selector->matchers, first_ms + (vector.plan.as_before_3 ? 0 : 1),
               vector.plan.end_at(steps.last_ms()), evaluation));
  return vector;
}

RangeVector open_subquery(const Subquery& node, const Steps& steps, Evaluation& evaluation) {
  RangeVector vector;
  vector.plan = plan_of(node.range, node.shift, evaluation);
  const auto inner = subquery_steps(node, steps, evaluation.range(), evaluation.options());
  if (!inner) evaluation.hold(evaluation.options().max_samples + 1, 0);
  const bool is_empty = !inner || inner->count == 0;
  StreamPtr stream =
      is_empty ? std::make_unique<EmptyStream>() : open_vector(*node.expr, *inner, evaluation);
  vector.stream =
      std::make_unique<SubqueryStream>(std::move(stream), inner.value_or(Steps{}), evaluation);
  return vector;
}

}  // namespace monitoring::promql
