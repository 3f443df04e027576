#include "promql/range_functions.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "monitoring/promql/text.hpp"
#include "promql/windows.hpp"

namespace monitoring::promql {

namespace {

bool counts_up(FunctionId id) {
  return id == FunctionId::kRate || id == FunctionId::kIncrease;
}

bool keeps_name(FunctionId id) {
  return id == FunctionId::kLastOverTime || id == FunctionId::kFirstOverTime;
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

bool is_named_as_counter(std::string_view name) {
  return ends_with(name, "_total") || ends_with(name, "_sum") || ends_with(name, "_count") ||
         ends_with(name, "_bucket");
}

class RangeFunctionStream final : public SeriesStream {
 public:
  RangeFunctionStream(const CallExpr& node, const Steps& steps, Evaluation& evaluation)
      : id_(node.function->id), steps_(steps), evaluation_(evaluation) {
    for (const ExprPtr& argument : node.arguments) {
      if (type_of(*argument) == ValueType::kScalar) {
        scalars_.push_back(step_scalars(*argument, steps, evaluation));
      } else {
        span_ = argument->span;
        vector_ = open_range(*argument, steps, evaluation);
      }
    }
    if (!evaluation.failed()) check_scalars(node);
  }

  bool next(StepSeries& series) override {
    while (!evaluation_.failed() && vector_.stream->next(range_series_)) {
      compute(series.values);
      const bool has_value = std::any_of(series.values.begin(), series.values.end(),
                                         [](double value) { return !is_absent(value); });
      if (!has_value) continue;
      if (counts_up(id_)) check_name();
      series.labels = std::move(range_series_.labels);
      series.drop_name = range_series_.drop_name;
      if (!keeps_name(id_)) drop_name(series, evaluation_.options());
      return true;
    }
    return false;
  }

 private:
  void compute(std::vector<double>& values) {
    const RangeCall call{range_series_, vector_.plan, steps_, scalars_, evaluation_};
    if (compute_rate(id_, call, values)) return;
    if (compute_over_time(id_, call, values)) return;
    if (compute_ranked_over_time(id_, call, values)) return;
    compute_trend(id_, call, values);
  }

  void check_scalars(const CallExpr& node) {
    if (id_ == FunctionId::kQuantileOverTime) {
      check_quantiles(scalars_[0], node.arguments[0]->span, evaluation_);
    }
    if (id_ != FunctionId::kDoubleExponentialSmoothing) return;
    constexpr const char* kNames[] = {"smoothing", "trend"};
    for (std::size_t i = 0; i < 2; ++i) {
      for (const double factor : scalars_[i]) {
        if (factor > 0 && factor < 1) continue;
        char message[96];
        std::snprintf(message, sizeof message, "invalid %s factor. Expected: 0 < %cf < 1, got: %f",
                      kNames[i], kNames[i][0], factor);
        evaluation_.fail_at(node.arguments[i + 1]->span, message);
        return;
      }
    }
  }

  void check_name() {
    const std::string_view name = range_series_.labels.get(kNameLabel);
    if (name.empty()) return;
    if (evaluation_.options().type_and_unit_labels) {
      const std::string_view type = range_series_.labels.get("__type__");
      if (type == "counter" || type == "histogram") return;
      evaluation_.inform(
          "metric might not be a counter, __type__ label is not set to \"counter\" or "
          "\"histogram\", got " +
              quoted(type) + ": " + quoted(name),
          span_);
    } else if (!is_named_as_counter(name)) {
      evaluation_.inform(
          "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: " +
              quoted(name),
          span_);
    }
  }

  FunctionId id_;
  Steps steps_;
  Evaluation& evaluation_;
  RangeVector vector_;
  Span span_;
  std::vector<StepScalars> scalars_;
  RangeSeries range_series_;
};

}  // namespace

bool is_range_function(FunctionId id) {
  const auto& functions = all_functions();
  const auto at = std::find_if(functions.begin(), functions.end(),
                               [&](const Function& function) { return function.id == id; });
  const auto& types = at->argument_types;
  return std::find(types.begin(), types.end(), ValueType::kMatrix) != types.end();
}

StreamPtr open_range_function(const CallExpr& node, const Steps& steps, Evaluation& evaluation) {
  auto stream = std::make_unique<RangeFunctionStream>(node, steps, evaluation);
  // Whether something is there may be asked of any series.
  const FunctionId id = node.function->id;
  if (id == FunctionId::kAbsentOverTime || keeps_name(id) ||
      evaluation.options().delayed_name_removal || !may_have_several_names(node)) {
    return stream;
  }
  return unique(std::move(stream), evaluation, steps, true);
}

void check_quantiles(const StepScalars& quantiles, const Span& span, Evaluation& evaluation) {
  for (const double quantile : quantiles) {
    if (quantile >= 0 && quantile <= 1) continue;
    evaluation.warn("quantile value should be between 0 and 1, got " + short_number_text(quantile),
                    span);
  }
}

bool are_windows_small(const RangeSeries& series, const WindowPlan& plan, const Steps& steps,
                       double most_samples) {
  if (steps.is_single() || plan.at_ms || series.size < 2) return steps.is_single();
  const auto span_ms = static_cast<double>(series.times_ms[series.size - 1] - series.times_ms[0]);
  const double samples_in_window =
      static_cast<double>(series.size) * static_cast<double>(plan.range_ms) / span_ms;
  return samples_in_window <= most_samples || static_cast<double>(series.size) <= most_samples;
}

}  // namespace monitoring::promql
