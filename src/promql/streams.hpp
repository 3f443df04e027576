#pragma once
// What the nodes of a query hand to each other: one series after the other, each over all steps.

#include <memory>
#include <vector>

#include "promql/evaluation.hpp"

namespace monitoring::promql {

/// A series with a value for each step. Where it has none, the marker of staleness stands: no
/// computation makes it, and a stale sample is no value in any place.
struct StepSeries {
  Labels labels;
  /// The name is still there, but is to go from the result.
  bool drop_name = false;
  std::vector<double> values;
};

inline bool is_absent(double value) {
  return is_stale(value);
}
inline double absent() {
  return stale_marker();
}

class SeriesStream {
 public:
  virtual ~SeriesStream() = default;
  /// False at the end, and once the evaluation has failed. `series` may be given again and again,
  /// so that its memory is used again; nothing in it survives.
  virtual bool next(StepSeries& series) = 0;
};

using StreamPtr = std::unique_ptr<SeriesStream>;

/// Samples of a series without markers of staleness.
struct RangeSeries {
  Labels labels;
  bool drop_name = false;
  const std::int64_t* times_ms = nullptr;
  const double* values = nullptr;
  std::size_t size = 0;
};

/// Where the windows of a range vector lie.
struct WindowPlan {
  std::int64_t range_ms = 0;
  std::int64_t offset_ms = 0;
  /// With @: every window is the same.
  std::optional<std::int64_t> at_ms;
  bool as_before_3 = false;

  std::int64_t end_at(std::int64_t step_ms) const { return at_ms.value_or(step_ms) - offset_ms; }
};

/// The series of a range vector, each with all samples that some window needs.
class RangeStream {
 public:
  virtual ~RangeStream() = default;
  virtual bool next(RangeSeries& series) = 0;
};

struct RangeVector {
  std::unique_ptr<RangeStream> stream;
  WindowPlan plan;
};

/// Series that are held, with what they count.
struct HeldSeries {
  explicit HeldSeries(Evaluation& evaluation) : held(evaluation) {}
  std::vector<StepSeries> list;
  Held held;
};

std::size_t count_present(const std::vector<double>& values);
std::size_t label_bytes(const Labels& labels);

/// Takes all that the stream has.
void drain(SeriesStream& stream, Evaluation& evaluation, HeldSeries& series);

/// One series after the other from a list.
StreamPtr stream_of(std::unique_ptr<HeldSeries> series);

/// Removes the name, or marks it as to be removed, as the options want it.
void drop_name(StepSeries& series, const EngineOptions& options);
/// Removes the name, and __type__ and __unit__, which only mean something with it.
void erase_name(Labels& labels);

/// Fails where two series with the same labels have a value at one step; `strict`: where there are
/// two such series at all.
StreamPtr unique(StreamPtr stream, Evaluation& evaluation, const Steps& steps, bool strict = false);

/// Whether series of several metric names may be in the result of this expression.
bool may_have_several_names(const Expr& expr);

/// The evaluator proper: an instant vector, a range vector, a scalar for each step.
StreamPtr open_vector(const Expr& expr, const Steps& steps, Evaluation& evaluation);
RangeVector open_range(const Expr& expr, const Steps& steps, Evaluation& evaluation);
/// Empty where the evaluation has failed.
std::vector<double> scalar_values(const Expr& expr, const Steps& steps, Evaluation& evaluation);

/// A scalar for each step that a stream keeps, counted as held. Only to be looked at while the
/// evaluation has not failed.
class StepScalars {
 public:
  StepScalars(std::vector<double> values, Evaluation& evaluation)
      : values_(std::move(values)), held_(std::make_unique<Held>(evaluation)) {
    held_->add(0, values_.size() * sizeof(double));
  }
  double operator[](std::size_t step) const { return values_[step]; }
  auto begin() const { return values_.begin(); }
  auto end() const { return values_.end(); }

 private:
  std::vector<double> values_;
  std::unique_ptr<Held> held_;
};

StepScalars step_scalars(const Expr& expr, const Steps& steps, Evaluation& evaluation);
/// The same at each step.
StepScalars step_scalars(double value, const Steps& steps, Evaluation& evaluation);

}  // namespace monitoring::promql
