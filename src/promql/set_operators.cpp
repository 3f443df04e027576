// and, or, unless: of one side only is kept where it has values.

#include "promql/binary_operators.hpp"
#include "promql/label_keys.hpp"
#include "promql/mapped.hpp"

namespace monitoring::promql {

namespace {

LabelChoice matching_of(const VectorMatching& matching) {
  return matching.on ? LabelChoice::only(matching.labels) : LabelChoice::all_but(matching.labels);
}

/// At which steps some series with these labels has a value.
class Presence {
 public:
  Presence(const VectorMatching& matching, const Steps& steps, Evaluation& evaluation)
      : choice_(matching_of(matching)), steps_(steps), held_(evaluation) {}

  bool add(const StepSeries& series) {
    choice_.make_key(series.labels, key_);
    const auto [at, is_new] = steps_by_key_.try_emplace(key_);
    if (is_new) {
      if (!held_.add(0, key_.size() + steps_.count / 8 + sizeof(std::vector<bool>))) return false;
      at->second.resize(steps_.count);
    }
    for (std::size_t i = 0; i < steps_.count; ++i) {
      if (!is_absent(series.values[i])) at->second[i] = true;
    }
    return true;
  }

  /// Leaves the values at those steps, or at all others. Whether any is left.
  bool filter(StepSeries& series, bool where_present) {
    choice_.make_key(series.labels, key_);
    const auto at = steps_by_key_.find(key_);
    bool any = false;
    for (std::size_t i = 0; i < steps_.count; ++i) {
      const bool is_present = at != steps_by_key_.end() && at->second[i];
      if (is_present != where_present) series.values[i] = absent();
      any = any || !is_absent(series.values[i]);
    }
    return any;
  }

 private:
  LabelChoice choice_;
  Steps steps_;
  Held held_;
  std::string key_;
  KeyMap<std::vector<bool>> steps_by_key_;
};

/// `and` and `unless`: the right side is read first, and only where it has values is kept of it.
class FilterStream final : public SeriesStream {
 public:
  FilterStream(const BinaryExpr& node, const Steps& steps, Evaluation& evaluation)
      : node_(node),
        steps_(steps),
        evaluation_(evaluation),
        presence_(node.matching, steps, evaluation) {}

  bool next(StepSeries& series) override {
    if (left_ == nullptr) read_right();
    while (evaluation_.goes_on() && left_->next(series)) {
      if (presence_.filter(series, node_.op == Operator::kAnd)) return true;
    }
    return false;
  }

 private:
  void read_right() {
    const StreamPtr right = open_vector(*node_.right, steps_, evaluation_);
    StepSeries series;
    while (evaluation_.goes_on() && right->next(series) && presence_.add(series)) {
    }
    left_ = open_vector(*node_.left, steps_, evaluation_);
  }

  const BinaryExpr& node_;
  Steps steps_;
  Evaluation& evaluation_;
  Presence presence_;
  StreamPtr left_;
};

/// All of the left side, then of the right side what the left one has not.
class OrStream final : public SeriesStream {
 public:
  OrStream(const BinaryExpr& node, const Steps& steps, Evaluation& evaluation)
      : node_(node),
        steps_(steps),
        evaluation_(evaluation),
        presence_(node.matching, steps, evaluation),
        left_(open_vector(*node.left, steps, evaluation)) {}

  bool next(StepSeries& series) override {
    if (right_ == nullptr && left_->next(series)) return presence_.add(series);
    if (right_ == nullptr && !evaluation_.failed()) {
      left_.reset();
      right_ = open_vector(*node_.right, steps_, evaluation_);
    }
    while (evaluation_.goes_on() && right_->next(series)) {
      if (presence_.filter(series, false)) return true;
    }
    return false;
  }

 private:
  const BinaryExpr& node_;
  Steps steps_;
  Evaluation& evaluation_;
  Presence presence_;
  StreamPtr left_;
  StreamPtr right_;
};

}  // namespace

StreamPtr open_set_operator(const BinaryExpr& node, const Steps& steps, Evaluation& evaluation) {
  if (node.op != Operator::kOr) {
    return std::make_unique<FilterStream>(node, steps, evaluation);
  }
  return unique(std::make_unique<OrStream>(node, steps, evaluation), evaluation, steps);
}

}  // namespace monitoring::promql
