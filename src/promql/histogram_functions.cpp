// histogram_quantile, histogram_quantiles and histogram_fraction over classic histograms.

#include <algorithm>
#include <cmath>

#include "monitoring/promql/functions.hpp"
#include "monitoring/promql/text.hpp"
#include "promql/buckets.hpp"
#include "promql/label_keys.hpp"
#include "promql/mapped.hpp"
#include "promql/range_functions.hpp"
#include "promql/vector_functions.hpp"

namespace monitoring::promql {

namespace {

constexpr std::string_view kBoundLabel = "le";

/// The series of one histogram, without the label of the bound.
struct Histogram {
  StepSeries result;  ///< labels only
  std::string metric_name;
  struct Series {
    double upper_bound;
    std::vector<double> counts;
  };
  std::vector<Series> buckets;
};

class HistogramReader {
 public:
  HistogramReader(const Expr& expr, const Steps& steps, Evaluation& evaluation)
      : expr_(expr), steps_(steps), evaluation_(evaluation), held_(evaluation) {}

  std::vector<Histogram> read() {
    const StreamPtr stream = open_vector(expr_, steps_, evaluation_);
    StepSeries series;
    while (evaluation_.goes_on() && stream->next(series)) add(series);
    return std::move(histograms_);
  }

 private:
  void add(StepSeries& series) {
    const std::string bound_text(series.labels.get(kBoundLabel));
    const std::string name(series.labels.get(kNameLabel));
    const Result<double> bound = parse_bound(bound_text);
    if (!bound) {
      std::string warning =
          "bucket label \"le\" is missing or has a malformed value of " + quoted(bound_text);
      if (!name.empty()) warning += " for metric name " + quoted(name);
      evaluation_.warn(warning, expr_.span);
      return;
    }
    const std::size_t bytes = label_bytes(series.labels) + series.values.size() * sizeof(double);
    if (!held_.add(count_present(series.values), bytes)) return;
    series.labels.erase(kBoundLabel);
    const auto [at, is_new] = places_.try_emplace(label_key(series.labels), histograms_.size());
    if (is_new) {
      Histogram histogram;
      histogram.metric_name = name;
      histogram.result.labels = std::move(series.labels);
      drop_name(histogram.result, evaluation_.options());
      histograms_.push_back(std::move(histogram));
    }
    histograms_[at->second].buckets.push_back({*bound, std::move(series.values)});
    series = {};
  }

  static Result<double> parse_bound(const std::string& text) {
    const bool is_signed = !text.empty() && (text[0] == '-' || text[0] == '+');
    auto number = parse_number(is_signed ? std::string_view(text).substr(1) : text);
    if (!number || std::isnan(*number)) return Error::of("no bound");
    return !text.empty() && text[0] == '-' ? -*number : *number;
  }

  const Expr& expr_;
  Steps steps_;
  Evaluation& evaluation_;
  Held held_;
  std::vector<Histogram> histograms_;
  KeyMap<std::size_t> places_;
};

/// `value_of(buckets, step, histogram)` for each step at which the histogram has buckets.
template <class ValueOf>
std::vector<double> values_of(const Histogram& histogram, const Steps& steps,
                              Evaluation& evaluation, ValueOf value_of) {
  std::vector<double> values(steps.count, absent());
  std::vector<Bucket> buckets;
  for (std::size_t step = 0; step < steps.count; ++step) {
    if (step % kTurnsBetweenLooks == kTurnsBetweenLooks - 1 && !evaluation.goes_on()) break;
    buckets.clear();
    for (const auto& series : histogram.buckets) {
      const double count = series.counts[step];
      if (!is_absent(count)) buckets.push_back({series.upper_bound, count});
    }
    if (!buckets.empty()) values[step] = value_of(buckets, step);
  }
  return values;
}

void sort_buckets(Histogram& histogram) {
  std::stable_sort(histogram.buckets.begin(), histogram.buckets.end(),
                   [](const auto& a, const auto& b) { return a.upper_bound < b.upper_bound; });
}

/// The histograms of an expression, each as one series by `values_for(histogram)`, with a label
/// more where `label` has a name.
template <class ValuesFor>
void add_series(const Histogram& histogram, const std::string& label,
                const std::string& label_value, ValuesFor values_for, HeldSeries& made) {
  StepSeries series;
  series.labels = histogram.result.labels;
  series.drop_name = histogram.result.drop_name;
  if (!label.empty()) series.labels.set(label, label_value);
  series.values = values_for(histogram);
  const std::size_t bytes = label_bytes(series.labels) + series.values.size() * sizeof(double);
  const std::size_t present = count_present(series.values);
  if (present == 0 || !made.held.add(present, bytes)) return;
  made.list.push_back(std::move(series));
}

/// As bounds and quantiles stand in labels: "1.0".
std::string bound_text(double value) {
  const std::string text = number_text(value);
  const bool is_whole = text.find_first_not_of("-0123456789") == std::string::npos;
  return is_whole ? text + ".0" : text;
}

void add_quantile(const Histogram& histogram, const StepScalars& quantiles, const Span& span,
                  const Steps& steps, Evaluation& evaluation, const std::string& label,
                  HeldSeries& made) {
  bool was_mended = false;
  const std::string label_value = label.empty() ? "" : bound_text(quantiles[0]);
  add_series(
      histogram, label, label_value,
      [&](const Histogram& h) {
        return values_of(h, steps, evaluation, [&](std::vector<Bucket>& buckets, std::size_t step) {
          const BucketQuantile quantile = bucket_quantile(quantiles[step], buckets);
          was_mended = was_mended || quantile.was_mended;
          return quantile.value;
        });
      },
      made);
  if (!was_mended) return;
  std::string info =
      "input to histogram_quantile needed to be fixed for monotonicity (see "
      "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)";
  if (!histogram.metric_name.empty()) {
    info += " for metric name " + quoted(histogram.metric_name);
  }
  evaluation.inform(info, span);
}

StreamPtr open_quantile(const CallExpr& node, const Steps& steps, Evaluation& evaluation) {
  return late(evaluation, [&node, steps, &evaluation](HeldSeries& made) {
    const StepScalars quantiles = step_scalars(*node.arguments[0], steps, evaluation);
    if (evaluation.failed()) return;
    check_quantiles(quantiles, node.arguments[0]->span, evaluation);
    HistogramReader reader(*node.arguments[1], steps, evaluation);
    for (Histogram& histogram : reader.read()) {
      if (!evaluation.goes_on()) return;
      sort_buckets(histogram);
      add_quantile(histogram, quantiles, node.arguments[1]->span, steps, evaluation, {}, made);
    }
  });
}

StreamPtr open_quantiles(const CallExpr& node, const Steps& steps, Evaluation& evaluation) {
  return late(evaluation, [&node, steps, &evaluation](HeldSeries& made) {
    const std::string& label = as<StringLiteral>(unwrapped(*node.arguments[1])).value;
    std::vector<StepScalars> quantiles;
    for (std::size_t i = 2; i < node.arguments.size(); ++i) {
      quantiles.push_back(step_scalars(*node.arguments[i], steps, evaluation));
      if (evaluation.failed()) return;
      check_quantiles(quantiles.back(), node.arguments[i]->span, evaluation);
    }
    HistogramReader reader(*node.arguments[0], steps, evaluation);
    for (Histogram& histogram : reader.read()) {
      sort_buckets(histogram);
      for (const auto& quantile : quantiles) {
        if (!evaluation.goes_on()) return;
        add_quantile(histogram, quantile, node.arguments[0]->span, steps, evaluation, label, made);
      }
    }
  });
}

StreamPtr open_fraction(const CallExpr& node, const Steps& steps, Evaluation& evaluation) {
  return late(evaluation, [&node, steps, &evaluation](HeldSeries& made) {
    const StepScalars lower = step_scalars(*node.arguments[0], steps, evaluation);
    const StepScalars upper = step_scalars(*node.arguments[1], steps, evaluation);
    if (evaluation.failed()) return;
    HistogramReader reader(*node.arguments[2], steps, evaluation);
    for (Histogram& histogram : reader.read()) {
      if (!evaluation.goes_on()) return;
      sort_buckets(histogram);
      add_series(
          histogram, {}, {},
          [&](const Histogram& h) {
            return values_of(h, steps, evaluation,
                             [&](std::vector<Bucket>& buckets, std::size_t step) {
                               return bucket_fraction(lower[step], upper[step], buckets);
                             });
          },
          made);
    }
  });
}

}  // namespace

StreamPtr open_histogram_function(const CallExpr& node, const Steps& steps,
                                  Evaluation& evaluation) {
  switch (node.function->id) {
    case FunctionId::kHistogramQuantile:
      return unique(open_quantile(node, steps, evaluation), evaluation, steps);
    case FunctionId::kHistogramQuantiles:
      return unique(open_quantiles(node, steps, evaluation), evaluation, steps);
    case FunctionId::kHistogramFraction:
      return unique(open_fraction(node, steps, evaluation), evaluation, steps);
    case FunctionId::kHistogramAvg:
    case FunctionId::kHistogramCount:
    case FunctionId::kHistogramStddev:
    case FunctionId::kHistogramStdvar:
    case FunctionId::kHistogramSum:
      evaluation.fail_at(node.span, std::string(node.function->name) +
                                        "() works on native histograms, which are not supported");
      return nullptr;
    default:
      return nullptr;
  }
}

}  // namespace monitoring::promql
