#include "monitoring/promql/engine.hpp"

#include <algorithm>

#include "promql/raw_series.hpp"
#include "promql/streams.hpp"

namespace monitoring::promql {

namespace {

using Kind = QueryFailure::Kind;

QueryFailure failure(std::string message, std::string hint = {}) {
  return {Kind::kExecution, Error::of(std::move(message), std::move(hint))};
}

bool is_far(std::int64_t time_ms) {
  return time_ms > kFarthestMs || time_ms < -kFarthestMs;
}

/// The steps of a query, or why there cannot be any.
std::variant<Steps, QueryFailure> steps_of(const QueryRange& range, const EngineOptions& options) {
  if (is_far(range.start_ms) || is_far(range.end_ms)) return failure("the time is out of range");
  if (range.end_ms < range.start_ms) {
    return failure("end timestamp must not be before start time");
  }
  Steps steps;
  steps.start_ms = range.start_ms;
  if (range.start_ms == range.end_ms) return steps;
  if (range.step_ms <= 0) {
    return failure(
        "zero or negative query resolution step widths are not accepted. Try a positive "
        "integer");
  }
  steps.interval_ms = range.step_ms;
  const std::int64_t more = (range.end_ms - range.start_ms) / range.step_ms;
  if (static_cast<std::uint64_t>(more) >= options.max_samples) {
    return failure("query processing would load too many samples into memory in query execution",
                   "The query has more steps than a query may have samples.");
  }
  steps.count = static_cast<std::size_t>(more) + 1;
  return steps;
}

class Query {
 public:
  Query(std::string_view query, const Expr& expr, const QueryRange& range, bool is_range_query,
        const Steps& steps, SeriesSource& source, const EngineOptions& options, CancelToken& cancel)
      : expr_(expr),
        is_range_query_(is_range_query),
        steps_(steps),
        evaluation_(query, range, source, options, cancel) {
    if (auto problem = problem_of_durations(expr, range)) {
      evaluation_.fail(Kind::kExecution, *problem);
      return;
    }
    evaluation_.shared().set(planned_selections(expr, steps, range, options));
  }

  QueryOutcome run() {
    const ValueType type = type_of(expr_);
    result_.type = is_range_query_ ? ValueType::kMatrix : type;
    if (evaluation_.goes_on()) evaluate(type);
    if (evaluation_.failed()) return evaluation_.failure();
    result_.warnings = evaluation_.warnings();
    result_.infos = evaluation_.infos();
    result_.samples_read = evaluation_.samples_read();
    result_.peak_samples = evaluation_.peak_samples();
    return std::move(result_);
  }

 private:
  void evaluate(ValueType type) {
    switch (type) {
      case ValueType::kString:
        return set_string();
      case ValueType::kScalar:
        return set_scalar();
      case ValueType::kVector:
        return set_vector();
      case ValueType::kMatrix:
        return set_matrix();
    }
  }

  void set_string() {
    if (is_range_query_) {
      evaluation_.fail(R"(invalid expression type "string" for range query, must be Scalar or )"
                       "instant Vector");
      return;
    }
    result_.text = as<StringLiteral>(unwrapped(expr_)).value;
  }

  void set_scalar() {
    Held held(evaluation_);
    if (!held.add(steps_.count, 0)) return;
    StepSeries series;
    series.values = scalar_values(expr_, steps_, evaluation_);
    if (!evaluation_.failed()) add(series, {});
  }

  void set_vector() {
    Held held(evaluation_);
    const StreamPtr stream = open_vector(expr_, steps_, evaluation_);
    StepSeries series;
    while (evaluation_.goes_on() && stream->next(series)) {
      if (series.drop_name) erase_name(series.labels);
      const std::size_t present = count_present(series.values);
      if (present == 0) continue;
      if (!held.add(present, present * sizeof(Point) + label_bytes(series.labels))) return;
      add(series, std::move(series.labels));
    }
    stream_order_is_kept_ = steps_.is_single() && !is_range_query_;
    finish();
  }

  void set_matrix() {
    if (is_range_query_) {
      evaluation_.fail(R"(invalid expression type "range vector" for range query, must be Scalar )"
                       "or instant Vector");
      return;
    }
    Held held(evaluation_);
    const RangeVector vector = open_range(expr_, steps_, evaluation_);
    const std::int64_t end_ms = vector.plan.end_at(steps_.start_ms);
    const std::int64_t start_ms = end_ms - vector.plan.range_ms + (vector.plan.as_before_3 ? 0 : 1);
    RangeSeries series;
    while (evaluation_.goes_on() && vector.stream->next(series)) {
      ResultSeries result;
      for (std::size_t i = 0; i < series.size; ++i) {
        if (series.times_ms[i] < start_ms || series.times_ms[i] > end_ms) continue;
        result.points.push_back({series.times_ms[i], series.values[i]});
      }
      if (result.points.empty()) continue;
      if (series.drop_name) erase_name(series.labels);
      if (!held.add(result.points.size(), label_bytes(series.labels))) return;
      result.labels = std::move(series.labels);
      result_.series.push_back(std::move(result));
    }
    finish();
  }

  void add(const StepSeries& series, Labels labels) {
    ResultSeries result;
    result.labels = std::move(labels);
    for (std::size_t i = 0; i < series.values.size(); ++i) {
      if (!is_absent(series.values[i])) result.points.push_back({steps_.at(i), series.values[i]});
    }
    result_.series.push_back(std::move(result));
  }

  /// Sorts, where the query does not, and joins series that have the same labels at different
  /// steps.
  void finish() {
    auto& list = result_.series;
    const auto by_labels = [](const ResultSeries& a, const ResultSeries& b) {
      return a.labels < b.labels;
    };
    if (stream_order_is_kept_) return check_distinct();
    std::stable_sort(list.begin(), list.end(), by_labels);
    std::size_t last = 0;
    for (std::size_t i = 1; i < list.size(); ++i) {
      if (list[i].labels == list[last].labels) {
        if (!join(list[last], list[i])) return;
      } else if (++last != i) {
        list[last] = std::move(list[i]);
      }
    }
    if (!list.empty()) list.resize(last + 1);
  }

  void check_distinct() {
    std::vector<const Labels*> labels;
    labels.reserve(result_.series.size());
    for (const ResultSeries& series : result_.series) labels.push_back(&series.labels);
    std::sort(labels.begin(), labels.end(),
              [](const Labels* a, const Labels* b) { return *a < *b; });
    const auto same = std::adjacent_find(labels.begin(), labels.end(),
                                         [](const Labels* a, const Labels* b) { return *a == *b; });
    if (same != labels.end()) evaluation_.fail_of_duplicates();
  }

  bool join(ResultSeries& into, const ResultSeries& other) {
    std::vector<Point> points;
    points.reserve(into.points.size() + other.points.size());
    std::merge(into.points.begin(), into.points.end(), other.points.begin(), other.points.end(),
               std::back_inserter(points),
               [](const Point& a, const Point& b) { return a.time_ms < b.time_ms; });
    const auto same =
        std::adjacent_find(points.begin(), points.end(),
                           [](const Point& a, const Point& b) { return a.time_ms == b.time_ms; });
    if (same != points.end()) return evaluation_.fail_of_duplicates();
    into.points = std::move(points);
    return true;
  }

  const Expr& expr_;
  bool is_range_query_;
  bool stream_order_is_kept_ = false;
  Steps steps_;
  Evaluation evaluation_;
  QueryResult result_;
};

QueryOutcome run_query(std::string_view query, const Expr& expr, const QueryRange& range,
                       bool is_range_query, SeriesSource& source, const EngineOptions& options,
                       CancelToken& cancel) {
  const auto steps = steps_of(range, options);
  if (const auto* problem = std::get_if<QueryFailure>(&steps)) return *problem;
  return Query(query, expr, range, is_range_query, *std::get_if<Steps>(&steps), source, options,
               cancel)
      .run();
}

}  // namespace

QueryOutcome run_instant_query(std::string_view query, const Expr& expr, std::int64_t at_ms,
                               SeriesSource& source, const EngineOptions& options,
                               CancelToken& cancel) {
  return run_query(query, expr, {at_ms, at_ms, 0}, false, source, options, cancel);
}

QueryOutcome run_range_query(std::string_view query, const Expr& expr, const QueryRange& range,
                             SeriesSource& source, const EngineOptions& options,
                             CancelToken& cancel) {
  return run_query(query, expr, range, true, source, options, cancel);
}

std::vector<Selection> selections_of(const Expr& expr, const QueryRange& range,
                                     const EngineOptions& options) {
  const auto steps = steps_of(range, options);
  const auto* usable = std::get_if<Steps>(&steps);
  if (usable == nullptr || problem_of_durations(expr, range)) return {};
  std::vector<Selection> selections;
  for (SharedSelection& shared : planned_selections(expr, *usable, range, options)) {
    selections.push_back(std::move(shared.selection));
  }
  return selections;
}

}  // namespace monitoring::promql
