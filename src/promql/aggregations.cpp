// Aggregations that need no more of a group than one state for each step.

#include "promql/aggregations.hpp"

#include <cmath>

#include "promql/mapped.hpp"
#include "promql/sums.hpp"

namespace monitoring::promql {

namespace {

// The state of a group at one step. add() is called for each value; value() only after it was.

struct SumState {
  CompensatedSum sum;
  bool seen = false;
  void add(double value) {
    if (seen) return sum.add(value);
    seen = true;
    sum.sum = value;
  }
  double value() const { return sum.sum + sum.compensation; }
};

struct MeanState {
  Mean mean;
  bool seen = false;
  void add(double value) {
    seen = true;
    mean.add(value);
  }
  double value() const { return mean.value(); }
};

struct CountState {
  double count = 0;
  bool seen = false;
  void add(double) {
    seen = true;
    ++count;
  }
  double value() const { return count; }
};

struct GroupState {
  bool seen = false;
  void add(double) { seen = true; }
  double value() const { return 1; }
};

struct MaxState {
  double kept = 0;
  bool seen = false;
  void add(double value) {
    if (!seen || kept < value || std::isnan(kept)) kept = value;
    seen = true;
  }
  double value() const { return kept; }
};

struct MinState {
  double kept = 0;
  bool seen = false;
  void add(double value) {
    if (!seen || kept > value || std::isnan(kept)) kept = value;
    seen = true;
  }
  double value() const { return kept; }
};

struct VarianceState {
  double count = 0;
  double mean = 0;
  double squares = 0;
  bool seen = false;
  void add(double value) {
    ++count;
    if (!seen) {
      seen = true;
      mean = value;
      squares = std::isfinite(value) ? 0 : std::nan("");
      return;
    }
    const double delta = value - mean;
    mean += delta / count;
    squares += delta * (value - mean);
  }
  double value() const { return squares / count; }
};

struct DeviationState : VarianceState {
  double value() const { return std::sqrt(VarianceState::value()); }
};

template <class State>
struct Group {
  Labels labels;
  bool drop_name = false;
  std::vector<State> states;
};

template <class State>
void aggregate(SeriesStream& stream, const AggregateExpr& node, const Steps& steps,
               Evaluation& evaluation, HeldSeries& made) {
  Groups numbers(grouping_of(node));
  std::vector<Group<State>> groups;
  Held held(evaluation);
  StepSeries series;
  while (evaluation.goes_on() && stream.next(series)) {
    bool is_new = false;
    const std::size_t number = numbers.number_of(series.labels, is_new);
    if (is_new) {
      if (!held.add(0, steps.count * sizeof(State) + label_bytes(series.labels))) return;
      groups.push_back({numbers.labels_of(series.labels), false, std::vector<State>(steps.count)});
    }
    Group<State>& group = groups[number];
    group.drop_name = group.drop_name || series.drop_name;
    for (std::size_t i = 0; i < steps.count; ++i) {
      const double value = series.values[i];
      if (!is_absent(value)) group.states[i].add(value);
    }
  }
  for (Group<State>& group : groups) {
    StepSeries result;
    result.labels = std::move(group.labels);
    result.drop_name = group.drop_name;
    result.values.reserve(steps.count);
    for (const State& state : group.states) {
      result.values.push_back(state.seen ? state.value() : absent());
    }
    const std::size_t present = count_present(result.values);
    if (present == 0) continue;
    if (!made.held.add(present, steps.count * sizeof(double))) return;
    group.states = {};
    made.list.push_back(std::move(result));
  }
}

using Aggregate = void (*)(SeriesStream&, const AggregateExpr&, const Steps&, Evaluation&,
                           HeldSeries&);

Aggregate aggregate_of(Aggregator op) {
  switch (op) {
    case Aggregator::kSum:
      return aggregate<SumState>;
    case Aggregator::kAvg:
      return aggregate<MeanState>;
    case Aggregator::kCount:
      return aggregate<CountState>;
    case Aggregator::kMin:
      return aggregate<MinState>;
    case Aggregator::kMax:
      return aggregate<MaxState>;
    case Aggregator::kGroup:
      return aggregate<GroupState>;
    case Aggregator::kStddev:
      return aggregate<DeviationState>;
    case Aggregator::kStdvar:
      return aggregate<VarianceState>;
    default:
      return nullptr;
  }
}

}  // namespace

LabelChoice grouping_of(const AggregateExpr& node) {
  return node.without ? LabelChoice::all_but(node.grouping) : LabelChoice::only(node.grouping);
}

std::size_t Groups::number_of(const Labels& labels, bool& is_new) {
  choice_.make_key(labels, key_);
  const auto [at, inserted] = numbers_.try_emplace(key_, numbers_.size());
  is_new = inserted;
  return at->second;
}

StreamPtr open_aggregation(const AggregateExpr& node, const Steps& steps, Evaluation& evaluation) {
  const Aggregate aggregate_all = aggregate_of(node.op);
  if (aggregate_all == nullptr) {
    const bool lists = node.op == Aggregator::kQuantile || node.op == Aggregator::kCountValues;
    return lists ? open_listing_aggregation(node, steps, evaluation)
                 : open_choosing_aggregation(node, steps, evaluation);
  }
  return late(evaluation, [&node, steps, &evaluation, aggregate_all](HeldSeries& made) {
    const StreamPtr stream = open_vector(*node.expr, steps, evaluation);
    aggregate_all(*stream, node, steps, evaluation, made);
  });
}

}  // namespace monitoring::promql
