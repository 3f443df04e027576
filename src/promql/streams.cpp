#include "promql/streams.hpp"

#include <algorithm>

#include "monitoring/promql/functions.hpp"
#include "promql/label_keys.hpp"

namespace monitoring::promql {

namespace {

class ListStream final : public SeriesStream {
 public:
  explicit ListStream(std::unique_ptr<HeldSeries> series) : series_(std::move(series)) {}

  bool next(StepSeries& series) override {
    if (next_ == series_->list.size()) return false;
    series = std::move(series_->list[next_++]);
    return true;
  }

 private:
  std::unique_ptr<HeldSeries> series_;
  std::size_t next_ = 0;
};

/// Remembers at which steps label sets have values; the series themselves go on at once.
class UniqueStream final : public SeriesStream {
 public:
  UniqueStream(StreamPtr stream, Evaluation& evaluation, const Steps& steps, bool strict)
      : stream_(std::move(stream)),
        evaluation_(evaluation),
        held_(evaluation),
        words_((steps.count + 63) / 64),
        strict_(strict) {}

  bool next(StepSeries& series) override {
    if (!stream_->next(series)) return false;
    const auto [at, is_new] = seen_.try_emplace(label_key(series.labels));
    if (!is_new && strict_) return evaluation_.fail_of_duplicates();
    if (is_new) {
      if (!held_.add(0, at->first.size() + words_ * sizeof(std::uint64_t))) return false;
      at->second.resize(words_);
    }
    for (std::size_t i = 0; i < series.values.size(); ++i) {
      if (is_absent(series.values[i])) continue;
      std::uint64_t& word = at->second[i / 64];
      const std::uint64_t bit = std::uint64_t{1} << (i % 64);
      if ((word & bit) != 0) return evaluation_.fail_of_duplicates();
      word |= bit;
    }
    return true;
  }

 private:
  StreamPtr stream_;
  Evaluation& evaluation_;
  Held held_;
  std::size_t words_;
  bool strict_;
  KeyMap<std::vector<std::uint64_t>> seen_;
};

bool names_one_metric(const VectorSelector& node) {
  return std::any_of(node.matchers.begin(), node.matchers.end(), [](const Matcher& matcher) {
    return matcher.op() == MatchOp::kEqual && matcher.name() == kNameLabel;
  });
}

bool call_may_have_several_names(const CallExpr& node) {
  const FunctionId id = node.function->id;
  if (id == FunctionId::kLabelReplace || id == FunctionId::kLabelJoin) return true;
  return std::any_of(node.arguments.begin(), node.arguments.end(), [](const ExprPtr& argument) {
    const ValueType type = type_of(*argument);
    const bool has_series = type == ValueType::kVector || type == ValueType::kMatrix;
    return has_series && may_have_several_names(*argument);
  });
}

}  // namespace

std::size_t count_present(const std::vector<double>& values) {
  return values.size() -
         static_cast<std::size_t>(std::count_if(values.begin(), values.end(),
                                                [](double value) { return is_absent(value); }));
}

std::size_t label_bytes(const Labels& labels) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : labels) {
    bytes += sizeof(Labels::Pair) + name.size() + value.size();
  }
  return bytes;
}

void drain(SeriesStream& stream, Evaluation& evaluation, HeldSeries& series) {
  StepSeries next;
  while (evaluation.goes_on() && stream.next(next)) {
    const std::size_t bytes =
        label_bytes(next.labels) + sizeof next + next.values.size() * sizeof(double);
    if (!series.held.add(count_present(next.values), bytes)) return;
    series.list.push_back(std::move(next));
    next = {};
  }
}

StreamPtr stream_of(std::unique_ptr<HeldSeries> series) {
  return std::make_unique<ListStream>(std::move(series));
}

void erase_name(Labels& labels) {
  labels.erase(kNameLabel);
  labels.erase("__type__");
  labels.erase("__unit__");
}

void drop_name(StepSeries& series, const EngineOptions& options) {
  series.drop_name = true;
  if (!options.delayed_name_removal) erase_name(series.labels);
}

StreamPtr unique(StreamPtr stream, Evaluation& evaluation, const Steps& steps, bool strict) {
  return std::make_unique<UniqueStream>(std::move(stream), evaluation, steps, strict);
}

bool may_have_several_names(const Expr& expr) {
  switch (expr.kind) {
    case Expr::Kind::kNumber:
    case Expr::Kind::kString:
      return false;
    case Expr::Kind::kVectorSelector:
      return !names_one_metric(as<VectorSelector>(expr));
    case Expr::Kind::kMatrixSelector:
      return !names_one_metric(*as<MatrixSelector>(expr).selector);
    case Expr::Kind::kSubquery:
      return may_have_several_names(*as<Subquery>(expr).expr);
    case Expr::Kind::kUnary:
      return may_have_several_names(*as<UnaryExpr>(expr).expr);
    case Expr::Kind::kParen:
      return may_have_several_names(*as<ParenExpr>(expr).expr);
    case Expr::Kind::kBinary: {
      const auto& node = as<BinaryExpr>(expr);
      if (node.op == Operator::kOr) return true;
      if (type_of(*node.left) == ValueType::kScalar) return may_have_several_names(*node.right);
      return may_have_several_names(*node.left);
    }
    case Expr::Kind::kAggregation: {
      const auto& node = as<AggregateExpr>(expr);
      const auto& grouping = node.grouping;
      const bool keeps_labels = node.op == Aggregator::kTopk || node.op == Aggregator::kBottomk ||
                                is_experimental(node.op);
      if (keeps_labels) return may_have_several_names(*node.expr);
      if (node.op == Aggregator::kCountValues) return true;
      return !node.without &&
             std::find(grouping.begin(), grouping.end(), kNameLabel) != grouping.end();
    }
    case Expr::Kind::kCall:
      return call_may_have_several_names(as<CallExpr>(expr));
  }
  return true;
}

}  // namespace monitoring::promql
