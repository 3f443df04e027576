#include "monitoring/promql/functions.hpp"

#include <algorithm>

namespace monitoring::promql {

namespace {

constexpr ValueType kNumber = ValueType::kScalar;
constexpr ValueType kVec = ValueType::kVector;
constexpr ValueType kRangeVec = ValueType::kMatrix;
constexpr ValueType kText = ValueType::kString;
constexpr bool kStable = false;
constexpr bool kExperimental = true;

std::vector<Function> make_functions() {
  using Id = FunctionId;
  std::vector<Function> functions = {
      {Id::kHistogramFraction, "histogram_fraction", {kNumber, kNumber, kVec}, 0, kVec, kStable},
      {Id::kHistogramQuantile, "histogram_quantile", {kNumber, kVec}, 0, kVec, kStable},
      {Id::kHistogramQuantiles,
       "histogram_quantiles",
       {kVec, kText, kNumber, kNumber},
       9,
       kVec,
       kExperimental},
      {Id::kClamp, "clamp", {kVec, kNumber, kNumber}, 0, kVec, kStable},
      {Id::kClampMax, "clamp_max", {kVec, kNumber}, 0, kVec, kStable},
      {Id::kClampMin, "clamp_min", {kVec, kNumber}, 0, kVec, kStable},
      {Id::kRound, "round", {kVec, kNumber}, 1, kVec, kStable},
      {Id::kLabelReplace, "label_replace", {kVec, kText, kText, kText, kText}, 0, kVec, kStable},
      {Id::kLabelJoin, "label_join", {kVec, kText, kText, kText}, -1, kVec, kStable},
      {Id::kSortByLabel, "sort_by_label", {kVec, kText}, -1, kVec, kExperimental},
      {Id::kSortByLabelDesc, "sort_by_label_desc", {kVec, kText}, -1, kVec, kExperimental},
      {Id::kInfo, "info", {kVec, kVec}, 1, kVec, kExperimental},
      {Id::kPredictLinear, "predict_linear", {kRangeVec, kNumber}, 0, kVec, kStable},
      {Id::kQuantileOverTime, "quantile_over_time", {kNumber, kRangeVec}, 0, kVec, kStable},
      {Id::kDoubleExponentialSmoothing,
       "double_exponential_smoothing",
       {kRangeVec, kNumber, kNumber},
       0,
       kVec,
       kExperimental},
      {Id::kScalar, "scalar", {kVec}, 0, kNumber, kStable},
      {Id::kVector, "vector", {kNumber}, 0, kVec, kStable},
      {Id::kTime, "time", {}, 0, kNumber, kStable},
      {Id::kPi, "pi", {}, 0, kNumber, kStable},
      {Id::kStart, "start", {}, 0, kNumber, kExperimental},
      {Id::kEnd, "end", {}, 0, kNumber, kExperimental},
      {Id::kRange, "range", {}, 0, kNumber, kExperimental},
      {Id::kStep, "step", {}, 0, kNumber, kExperimental},
      {Id::kMaxOf, "max_of", {kNumber, kNumber}, 0, kNumber, kExperimental},
      {Id::kMinOf, "min_of", {kNumber, kNumber}, 0, kNumber, kExperimental},
  };

  struct Named {
    Id id;
    const char* name;
    bool experimental = kStable;
  };
  // From one instant vector to another.
  constexpr Named kOfVectors[] = {
      {Id::kAbs, "abs"},
      {Id::kAbsent, "absent"},
      {Id::kAcos, "acos"},
      {Id::kAcosh, "acosh"},
      {Id::kAsin, "asin"},
      {Id::kAsinh, "asinh"},
      {Id::kAtan, "atan"},
      {Id::kAtanh, "atanh"},
      {Id::kCeil, "ceil"},
      {Id::kCos, "cos"},
      {Id::kCosh, "cosh"},
      {Id::kDeg, "deg"},
      {Id::kExp, "exp"},
      {Id::kFloor, "floor"},
      {Id::kHistogramAvg, "histogram_avg"},
      {Id::kHistogramCount, "histogram_count"},
      {Id::kHistogramStddev, "histogram_stddev"},
      {Id::kHistogramStdvar, "histogram_stdvar"},
      {Id::kHistogramSum, "histogram_sum"},
      {Id::kLn, "ln"},
      {Id::kLog10, "log10"},
      {Id::kLog2, "log2"},
      {Id::kRad, "rad"},
      {Id::kSgn, "sgn"},
      {Id::kSin, "sin"},
      {Id::kSinh, "sinh"},
      {Id::kSort, "sort"},
      {Id::kSortDesc, "sort_desc"},
      {Id::kSqrt, "sqrt"},
      {Id::kStartTimestamp, "start_timestamp", kExperimental},
      {Id::kTan, "tan"},
      {Id::kTanh, "tanh"},
      {Id::kTimestamp, "timestamp"},
  };
  for (const Named& named : kOfVectors) {
    functions.push_back({named.id, named.name, {kVec}, 0, kVec, named.experimental});
  }
  // Of the values of a vector as times, or of the evaluation's time.
  constexpr Named kOfDates[] = {
      {Id::kDayOfMonth, "day_of_month"},
      {Id::kDayOfWeek, "day_of_week"},
      {Id::kDayOfYear, "day_of_year"},
      {Id::kDaysInMonth, "days_in_month"},
      {Id::kHour, "hour"},
      {Id::kMinute, "minute"},
      {Id::kMonth, "month"},
      {Id::kYear, "year"},
  };
  for (const Named& named : kOfDates) {
    functions.push_back({named.id, named.name, {kVec}, 1, kVec, named.experimental});
  }
  constexpr Named kOfRanges[] = {
      {Id::kAbsentOverTime, "absent_over_time"},
      {Id::kAvgOverTime, "avg_over_time"},
      {Id::kChanges, "changes"},
      {Id::kCountOverTime, "count_over_time"},
      {Id::kDelta, "delta"},
      {Id::kDeriv, "deriv"},
      {Id::kFirstOverTime, "first_over_time", kExperimental},
      {Id::kIdelta, "idelta"},
      {Id::kIncrease, "increase"},
      {Id::kIrate, "irate"},
      {Id::kLastOverTime, "last_over_time"},
      {Id::kMadOverTime, "mad_over_time", kExperimental},
      {Id::kMaxOverTime, "max_over_time"},
      {Id::kMinOverTime, "min_over_time"},
      {Id::kPresentOverTime, "present_over_time"},
      {Id::kRate, "rate"},
      {Id::kResets, "resets"},
      {Id::kStddevOverTime, "stddev_over_time"},
      {Id::kStdvarOverTime, "stdvar_over_time"},
      {Id::kSumOverTime, "sum_over_time"},
      {Id::kTsOfFirstOverTime, "ts_of_first_over_time", kExperimental},
      {Id::kTsOfLastOverTime, "ts_of_last_over_time", kExperimental},
      {Id::kTsOfMaxOverTime, "ts_of_max_over_time", kExperimental},
      {Id::kTsOfMinOverTime, "ts_of_min_over_time", kExperimental},
  };
  for (const Named& named : kOfRanges) {
    functions.push_back({named.id, named.name, {kRangeVec}, 0, kVec, named.experimental});
  }
  std::sort(functions.begin(), functions.end(),
            [](const Function& a, const Function& b) { return a.name < b.name; });
  return functions;
}

}  // namespace

const std::vector<Function>& all_functions() {
  static const auto& functions = *new std::vector<Function>(make_functions());
  return functions;
}

const Function* find_function(std::string_view name) {
  const auto& functions = all_functions();
  const auto at =
      std::lower_bound(functions.begin(), functions.end(), name,
                       [](const Function& f, std::string_view wanted) { return f.name < wanted; });
  return at != functions.end() && at->name == name ? &*at : nullptr;
}

}  // namespace monitoring::promql
