// sort, sort_desc, sort_by_label, sort_by_label_desc.

#include <algorithm>
#include <cmath>

#include "monitoring/promql/functions.hpp"
#include "promql/mapped.hpp"
#include "promql/vector_functions.hpp"

namespace monitoring::promql {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Takes a run of digits, or of what is none.
std::string_view take_run(std::string_view& text) {
  std::size_t end = 1;
  while (end < text.size() && is_digit(text[end]) == is_digit(text[0])) ++end;
  const std::string_view run = text.substr(0, end);
  text.remove_prefix(end);
  return run;
}

/// Below, above or equal to zero. Longer numbers are larger, whatever they are.
int compare_numbers(std::string_view a, std::string_view b) {
  const auto without_zeros = [](std::string_view digits) {
    const std::size_t first = digits.find_first_not_of('0');
    return first == std::string_view::npos ? std::string_view() : digits.substr(first);
  };
  const std::string_view first = without_zeros(a);
  const std::string_view second = without_zeros(b);
  if (first.size() != second.size()) return first.size() < second.size() ? -1 : 1;
  if (first != second) return first.compare(second);
  return static_cast<int>(a.size()) - static_cast<int>(b.size());
}

/// As people sort: numbers in texts count as numbers.
int compare_naturally(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    const std::string_view first = take_run(a);
    const std::string_view second = take_run(b);
    if (first == second) continue;
    if (is_digit(first[0]) && is_digit(second[0])) return compare_numbers(first, second);
    return first.compare(second);
  }
  return (a.empty() ? 0 : 1) - (b.empty() ? 0 : 1);
}

using Before = bool (*)(const StepSeries&, const StepSeries&);

bool rises(const StepSeries& a, const StepSeries& b) {
  const double first = a.values[0];
  const double second = b.values[0];
  return first < second || (std::isnan(second) && !std::isnan(first));
}
bool falls(const StepSeries& a, const StepSeries& b) {
  const double first = a.values[0];
  const double second = b.values[0];
  return first > second || (std::isnan(second) && !std::isnan(first));
}

struct ByLabels {
  std::vector<std::string> names;
  bool falling;

  bool operator()(const StepSeries& a, const StepSeries& b) const {
    const StepSeries& first = falling ? b : a;
    const StepSeries& second = falling ? a : b;
    for (const std::string& name : names) {
      const int order = compare_naturally(first.labels.get(name), second.labels.get(name));
      if (order != 0) return order < 0;
    }
    return first.labels < second.labels;
  }
};

template <class Order>
StreamPtr sorted(const CallExpr& node, const Steps& steps, Evaluation& evaluation, Order before) {
  StreamPtr stream = open_vector(*node.arguments[0], steps, evaluation);
  if (!steps.is_single()) return stream;
  return late(evaluation, [stream = std::move(stream), before = std::move(before),
                           &evaluation](HeldSeries& made) {
    drain(*stream, evaluation, made);
    std::stable_sort(made.list.begin(), made.list.end(), before);
  });
}

}  // namespace

StreamPtr open_sort_function(const CallExpr& node, const Steps& steps, Evaluation& evaluation) {
  const FunctionId id = node.function->id;
  const bool is_sort = id == FunctionId::kSort || id == FunctionId::kSortDesc ||
                       id == FunctionId::kSortByLabel || id == FunctionId::kSortByLabelDesc;
  if (!is_sort) return nullptr;
  if (!steps.is_single()) {
    evaluation.warn(
        "sort is ineffective for range queries since results are always ordered by labels",
        node.span);
  }
  if (id == FunctionId::kSort) return sorted(node, steps, evaluation, Before(rises));
  if (id == FunctionId::kSortDesc) return sorted(node, steps, evaluation, Before(falls));
  std::vector<std::string> names;
  for (std::size_t i = 1; i < node.arguments.size(); ++i) {
    names.push_back(as<StringLiteral>(unwrapped(*node.arguments[i])).value);
  }
  return sorted(node, steps, evaluation,
                ByLabels{std::move(names), id == FunctionId::kSortByLabelDesc});
}

}  // namespace monitoring::promql
