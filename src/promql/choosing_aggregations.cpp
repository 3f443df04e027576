// topk, bottomk, limitk and limit_ratio.

#include <algorithm>
#include <cmath>

#include "monitoring/base/hash128.hpp"
#include "monitoring/promql/text.hpp"
#include "promql/aggregations.hpp"
#include "promql/mapped.hpp"

namespace monitoring::promql {

namespace {

struct Candidate {
  double value = 0;
  std::uint32_t series = 0;
};

/// The chosen of one group at one step. A heap, built like Go's, so that of equal values the same
/// stay.
class Chosen {
 public:
  explicit Chosen(bool wants_largest = true) : wants_largest_(wants_largest) {}

  bool offer(Candidate candidate, std::size_t most) {
    if (list_.size() < most) {
      list_.push_back(candidate);
      rise(list_.size() - 1);
      return true;
    }
    const double worst = list_[0].value;
    const double value = candidate.value;
    const bool is_better = wants_largest_ ? worst < value : worst > value;
    if (!is_better && !(std::isnan(worst) && !std::isnan(value))) return false;
    list_[0] = candidate;
    sink();
    return true;
  }

  /// The best first.
  std::vector<Candidate> in_order() const {
    std::vector<Candidate> sorted = list_;
    std::stable_sort(sorted.begin(), sorted.end(), [&](const Candidate& a, const Candidate& b) {
      if (std::isnan(a.value) || std::isnan(b.value)) {
        return !std::isnan(a.value) && std::isnan(b.value);
      }
      return wants_largest_ ? a.value > b.value : a.value < b.value;
    });
    return sorted;
  }
  const std::vector<Candidate>& list() const { return list_; }
  void push(Candidate candidate) { list_.push_back(candidate); }

 private:
  bool is_worse(std::size_t a, std::size_t b) const {
    const double first = list_[a].value;
    if (std::isnan(first)) return true;
    return wants_largest_ ? first < list_[b].value : first > list_[b].value;
  }
  void rise(std::size_t at) {
    while (at > 0) {
      const std::size_t parent = (at - 1) / 2;
      if (!is_worse(at, parent)) return;
      std::swap(list_[at], list_[parent]);
      at = parent;
    }
  }
  void sink() {
    for (std::size_t at = 0;;) {
      std::size_t child = 2 * at + 1;
      if (child >= list_.size()) return;
      if (child + 1 < list_.size() && is_worse(child + 1, child)) ++child;
      if (!is_worse(child, at)) return;
      std::swap(list_[at], list_[child]);
      at = child;
    }
  }

  bool wants_largest_;
  std::vector<Candidate> list_;
};

class Chooser {
 public:
  Chooser(const AggregateExpr& node, const Steps& steps, Evaluation& evaluation)
      : node_(node), steps_(steps), evaluation_(evaluation), held_(evaluation) {}

  void run(HeldSeries& made) {
    parameters_ = scalar_values(*node_.parameter, steps_, evaluation_);
    if (!held_.add(0, parameters_.size() * sizeof(double))) return;
    if (evaluation_.failed() || !check_parameters()) return;
    choose();
    if (evaluation_.failed()) return;
    steps_.is_single() ? emit_in_order(made) : emit_by_series(made);
  }

 private:
  /// False where nothing can come, or the evaluation has failed.
  bool check_parameters() {
    const auto [least, most] = std::minmax_element(parameters_.begin(), parameters_.end());
    const bool has_nan = std::any_of(parameters_.begin(), parameters_.end(),
                                     [](double parameter) { return std::isnan(parameter); });
    return node_.op == Aggregator::kLimitRatio ? check_ratios(*least, *most, has_nan)
                                               : check_counts(*least, *most, has_nan);
  }
  bool check_counts(double least, double most, bool has_nan) {
    constexpr double kTooLarge = 9223372036854774784.0;
    constexpr double kTooSmall = -9223372036854775808.0;
    if (has_nan) return fail("Parameter value is NaN");
    if (most < 1) return false;
    if (least <= kTooSmall) {
      return fail("Scalar value " + short_number_text(least) + " underflows int64");
    }
    if (most >= kTooLarge) {
      return fail("Scalar value " + short_number_text(most) + " overflows int64");
    }
    return true;
  }
  bool check_ratios(double least, double most, bool has_nan) {
    if (has_nan) return fail("Ratio value is NaN");
    if (least == 0 && most == 0) return false;
    if (most > 1) warn_of_ratio(most, 1);
    if (least < -1) warn_of_ratio(least, -1);
    return true;
  }
  bool fail(const std::string& message) {
    return evaluation_.fail_at(node_.parameter->span, message);
  }
  void warn_of_ratio(double ratio, double used) {
    evaluation_.warn("ratio value should be between -1 and 1, got " + short_number_text(ratio) +
                         ", capping to " + short_number_text(used),
                     node_.parameter->span);
  }

  void choose() {
    const StreamPtr stream = open_vector(*node_.expr, steps_, evaluation_);
    Groups numbers(grouping_of(node_));
    StepSeries series;
    while (evaluation_.goes_on() && stream->next(series)) {
      bool is_new = false;
      const std::size_t number = numbers.number_of(series.labels, is_new);
      if (is_new) {
        if (!held_.add(0, steps_.count * sizeof(Chosen))) return;
        groups_.emplace_back(steps_.count, Chosen(node_.op != Aggregator::kBottomk));
      }
      if (!offer(series, groups_[number])) return;
    }
  }

  bool offer(const StepSeries& series, std::vector<Chosen>& group) {
    const auto id = static_cast<std::uint32_t>(series_.size());
    const double place = node_.op == Aggregator::kLimitRatio ? place_of(series.labels) : 0;
    std::size_t added = 0;
    for (std::size_t i = 0; i < steps_.count; ++i) {
      if (is_absent(series.values[i])) continue;
      if (choose_at(group[i], {series.values[i], id}, parameters_[i], place)) ++added;
    }
    if (added == 0) return true;
    series_.push_back({series.labels, series.drop_name, {}});
    return held_.add(added, added * sizeof(Candidate) + label_bytes(series.labels));
  }

  bool choose_at(Chosen& chosen, Candidate candidate, double parameter, double place) const {
    if (node_.op == Aggregator::kLimitRatio) {
      // A ratio and what it lacks of one are complements.
      const bool is_in = parameter >= 0 ? place < parameter : place >= 1 + parameter;
      if (is_in) chosen.push(candidate);
      return is_in;
    }
    if (parameter < 1) return false;
    const auto most = static_cast<std::size_t>(parameter);
    if (node_.op != Aggregator::kLimitk) return chosen.offer(candidate, most);
    if (chosen.list().size() >= most) return false;
    chosen.push(candidate);
    return true;
  }

  /// Where a label set lies between 0 and 1, always the same.
  static double place_of(const Labels& labels) {
    return static_cast<double>(hash128(label_key(labels)).high >> 11) * 0x1.0p-53;
  }

  void emit_in_order(HeldSeries& made) {
    for (const auto& group : groups_) {
      const bool ranks = node_.op == Aggregator::kTopk || node_.op == Aggregator::kBottomk;
      for (const Candidate& candidate : ranks ? group[0].in_order() : group[0].list()) {
        StepSeries result = series_[candidate.series];
        result.values = {candidate.value};
        if (!made.held.add(1, label_bytes(result.labels) + sizeof(double))) return;
        made.list.push_back(std::move(result));
      }
    }
  }

  void emit_by_series(HeldSeries& made) {
    for (const auto& group : groups_) {
      for (std::size_t i = 0; i < steps_.count; ++i) {
        for (const Candidate& candidate : group[i].list()) {
          std::vector<double>& values = series_[candidate.series].values;
          if (values.empty()) {
            if (!made.held.add(0, steps_.count * sizeof(double))) return;
            values.assign(steps_.count, absent());
          }
          values[i] = candidate.value;
        }
      }
    }
    for (StepSeries& series : series_) {
      if (series.values.empty()) continue;
      if (!made.held.add(count_present(series.values), label_bytes(series.labels))) return;
      made.list.push_back(std::move(series));
    }
  }

  const AggregateExpr& node_;
  Steps steps_;
  Evaluation& evaluation_;
  Held held_;
  std::vector<double> parameters_;
  std::vector<std::vector<Chosen>> groups_;
  std::vector<StepSeries> series_;  ///< that were chosen at some step at some time
};

}  // namespace

StreamPtr open_choosing_aggregation(const AggregateExpr& node, const Steps& steps,
                                    Evaluation& evaluation) {
  return late(evaluation, [&node, steps, &evaluation](HeldSeries& made) {
    Chooser(node, steps, evaluation).run(made);
  });
}

}  // namespace monitoring::promql
