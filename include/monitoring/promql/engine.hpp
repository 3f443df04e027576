#pragma once
// Evaluation of a parsed query over a source of series. This is the whole way in:
//
//   auto expr = parse(text);                                        // parser.hpp
//   auto outcome = run_range_query(text, **expr, {from, to, step}, source, options, cancel);
//
// A query holds no state outside of the call, and may be run again and again.

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "monitoring/base/cancel.hpp"
#include "monitoring/base/labels.hpp"
#include "monitoring/base/result.hpp"
#include "monitoring/promql/ast.hpp"
#include "monitoring/promql/series_source.hpp"

namespace monitoring::promql {

struct EngineOptions {
  /// How old the newest sample of a series may be for it to count at an instant.
  std::int64_t lookback_ms = 5LL * 60 * 1000;
  /// Of a subquery that names no step: Prometheus's global evaluation_interval.
  std::int64_t default_subquery_step_ms = 60LL * 1000;
  /// Samples that are held at once, as --query.max-samples counts them.
  std::size_t max_samples = 50'000'000;
  /// What a query may take of memory for what it holds of series, in all.
  std::size_t max_bytes = std::size_t{2} << 30;
  /// Prometheus 2's way: ranges and the lookback include their left end, and how far a counter is
  /// extrapolated is decided after zero has been looked for, not before.
  bool as_before_3 = false;
  /// Names are dropped from the result alone (--enable-feature=promql-delayed-name-removal).
  bool delayed_name_removal = false;
  /// What a counter is, is told by the label __type__ (--enable-feature=type-and-unit-labels).
  bool type_and_unit_labels = false;
  /// Cancelled as soon as the time that the query has is over. nullptr: there is no such time.
  CancelToken* time_limit = nullptr;
};

/// No time of a query is farther from 1970 than this, so that differences of times fit, too.
inline constexpr std::int64_t kFarthestMs = 4'000'000'000'000'000'000;

/// Both ends are included. The step is positive.
struct QueryRange {
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;
  std::int64_t step_ms = 0;
};

struct Point {
  std::int64_t time_ms = 0;
  double value = 0;
};

struct ResultSeries {
  Labels labels;
  std::vector<Point> points;  ///< in order of time
};

struct QueryResult {
  /// A range query's is always kMatrix.
  ValueType type = ValueType::kVector;
  /// kVector: one point each. kScalar: one series without labels. Those of a range query are sorted
  /// by their labels; those of an instant query are as the query sorts them, if it does.
  std::vector<ResultSeries> series;
  std::string text;  ///< kString
  /// As Prometheus words them, in order, each once: "PromQL info: ... (1:6)".
  std::vector<std::string> warnings;
  std::vector<std::string> infos;
  std::size_t samples_read = 0;
  std::size_t peak_samples = 0;
};

/// Why there is no result: Prometheus's errorType execution, timeout or canceled.
struct QueryFailure {
  enum class Kind { kExecution, kTimeout, kCanceled };
  Kind kind = Kind::kExecution;
  Error error;
};

using QueryOutcome = std::variant<QueryResult, QueryFailure>;

/// `query` is the text that `expr` was parsed from: places in annotations are told by it.
QueryOutcome run_instant_query(std::string_view query, const Expr& expr, std::int64_t at_ms,
                               SeriesSource& source, const EngineOptions& options,
                               CancelToken& cancel);

QueryOutcome run_range_query(std::string_view query, const Expr& expr, const QueryRange& range,
                             SeriesSource& source, const EngineOptions& options,
                             CancelToken& cancel);

/// What a query would read from its source: for an explanation, or to fetch it all at once.
/// Selectors with the same matchers whose times touch are one.
std::vector<Selection> selections_of(const Expr& expr, const QueryRange& range,
                                     const EngineOptions& options);

}  // namespace monitoring::promql
