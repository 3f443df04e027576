// quantile and count_values.

#include <algorithm>

#include "monitoring/promql/text.hpp"
#include "promql/aggregations.hpp"
#include "promql/mapped.hpp"
#include "promql/range_functions.hpp"

namespace monitoring::promql {

namespace {

struct ListedGroup {
  Labels labels;
  bool drop_name = false;
  std::vector<std::vector<double>> values;  ///< by step
};

std::vector<ListedGroup> listed_groups(const AggregateExpr& node, const Steps& steps,
                                       Evaluation& evaluation, Held& held) {
  const StreamPtr stream = open_vector(*node.expr, steps, evaluation);
  Groups numbers(grouping_of(node));
  std::vector<ListedGroup> groups;
  StepSeries series;
  while (evaluation.goes_on() && stream->next(series)) {
    bool is_new = false;
    const std::size_t number = numbers.number_of(series.labels, is_new);
    const std::size_t present = count_present(series.values);
    std::size_t bytes = present * sizeof(double);
    if (is_new) {
      bytes += steps.count * sizeof(std::vector<double>) + label_bytes(series.labels);
    }
    if (!held.add(present, bytes)) break;
    if (is_new) {
      groups.push_back(
          {numbers.labels_of(series.labels), false, std::vector<std::vector<double>>(steps.count)});
    }
    groups[number].drop_name = groups[number].drop_name || series.drop_name;
    for (std::size_t i = 0; i < steps.count; ++i) {
      if (!is_absent(series.values[i])) groups[number].values[i].push_back(series.values[i]);
    }
  }
  return groups;
}

void make_quantiles(const AggregateExpr& node, const Steps& steps, Evaluation& evaluation,
                    HeldSeries& made) {
  const StepScalars quantiles = step_scalars(*node.parameter, steps, evaluation);
  if (evaluation.failed()) return;
  check_quantiles(quantiles, node.parameter->span, evaluation);
  Held held(evaluation);
  for (ListedGroup& group : listed_groups(node, steps, evaluation, held)) {
    StepSeries result;
    result.labels = std::move(group.labels);
    result.drop_name = group.drop_name;
    result.values.assign(steps.count, absent());
    for (std::size_t i = 0; i < steps.count; ++i) {
      std::vector<double>& values = group.values[i];
      if (values.empty()) continue;
      std::sort(values.begin(), values.end(), is_below);
      result.values[i] = quantile_of_sorted(quantiles[i], values.data(), values.size());
    }
    if (!evaluation.goes_on()) return;
    if (!made.held.add(count_present(result.values), steps.count * sizeof(double))) return;
    made.list.push_back(std::move(result));
  }
}

/// Each different value of a group is a series of its own.
void count_values(const AggregateExpr& node, const Steps& steps, Evaluation& evaluation,
                  HeldSeries& made) {
  const std::string& label = as<StringLiteral>(unwrapped(*node.parameter)).value;
  if (label.empty() || !is_valid_utf8(label)) {
    evaluation.fail_at(node.parameter->span, "invalid label name " + quoted(label));
    return;
  }
  std::vector<std::string> names = node.grouping;
  if (!node.without) names.push_back(label);
  Groups numbers(node.without ? LabelChoice::all_but(names) : LabelChoice::only(names));
  const StreamPtr stream = open_vector(*node.expr, steps, evaluation);
  StepSeries series;
  while (evaluation.goes_on() && stream->next(series)) {
    for (std::size_t i = 0; i < steps.count; ++i) {
      if (is_absent(series.values[i])) continue;
      if (i % kTurnsBetweenLooks == kTurnsBetweenLooks - 1 && !evaluation.goes_on()) return;
      series.labels.set(label, number_text(series.values[i]));
      bool is_new = false;
      const std::size_t number = numbers.number_of(series.labels, is_new);
      if (is_new) {
        const std::size_t bytes = steps.count * sizeof(double) + label_bytes(series.labels);
        if (!made.held.add(0, bytes)) return;
        made.list.push_back(
            {numbers.labels_of(series.labels), false, std::vector<double>(steps.count, absent())});
      }
      double& count = made.list[number].values[i];
      if (is_absent(count)) {
        count = 0;
        if (!made.held.add(1, 0)) return;
      }
      ++count;
    }
  }
}

}  // namespace

StreamPtr open_listing_aggregation(const AggregateExpr& node, const Steps& steps,
                                   Evaluation& evaluation) {
  return late(evaluation, [&node, steps, &evaluation](HeldSeries& made) {
    if (node.op == Aggregator::kQuantile) {
      make_quantiles(node, steps, evaluation, made);
    } else {
      count_values(node, steps, evaluation, made);
    }
  });
}

}  // namespace monitoring::promql
