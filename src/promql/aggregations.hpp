#pragma once
// Aggregations.

#include <string>

#include "promql/label_keys.hpp"
#include "promql/streams.hpp"

namespace monitoring::promql {

StreamPtr open_aggregation(const AggregateExpr& node, const Steps& steps, Evaluation& evaluation);

/// topk, bottomk, limitk, limit_ratio, which choose among series.
StreamPtr open_choosing_aggregation(const AggregateExpr& node, const Steps& steps,
                                    Evaluation& evaluation);
/// quantile and count_values, which need all values of a group.
StreamPtr open_listing_aggregation(const AggregateExpr& node, const Steps& steps,
                                   Evaluation& evaluation);

LabelChoice grouping_of(const AggregateExpr& node);

/// Numbers groups in the order in which they come.
class Groups {
 public:
  explicit Groups(LabelChoice choice) : choice_(std::move(choice)) {}

  /// The number of the group; `is_new` where it is its first series.
  std::size_t number_of(const Labels& labels, bool& is_new);
  Labels labels_of(const Labels& labels) const { return choice_.chosen(labels); }

 private:
  LabelChoice choice_;
  std::string key_;
  KeyMap<std::size_t> numbers_;
};

}  // namespace monitoring::promql
