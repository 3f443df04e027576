#pragma once
// The tree of a PromQL expression. Made by the parser alone, which bounds its height; immutable
// from then on, so that it may be evaluated many times.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "monitoring/promql/matcher.hpp"

namespace monitoring::promql {

/// Bytes of the query, from `start` up to and without `end`.
struct Span {
  std::size_t start = 0;
  std::size_t end = 0;
};

enum class ValueType { kScalar, kVector, kMatrix, kString };

/// As messages name it: "instant vector".
std::string_view documented(ValueType type);

enum class Operator {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kModulo,
  kPower,
  kAtan2,
  kEqual,
  kNotEqual,
  kGreater,
  kLess,
  kGreaterOrEqual,
  kLessOrEqual,
  kAnd,
  kOr,
  kUnless,
};

std::string_view text_of(Operator op);
bool is_comparison(Operator op);
bool is_set_operator(Operator op);

enum class Aggregator {
  kSum,
  kAvg,
  kCount,
  kMin,
  kMax,
  kGroup,
  kStddev,
  kStdvar,
  kTopk,
  kBottomk,
  kCountValues,
  kQuantile,
  kLimitk,
  kLimitRatio,
};

std::string_view text_of(Aggregator aggregator);
bool takes_parameter(Aggregator aggregator);
bool is_experimental(Aggregator aggregator);

struct Function;  // functions.hpp

struct Expr {
  enum class Kind {
    kNumber,
    kString,
    kVectorSelector,
    kMatrixSelector,
    kSubquery,
    kUnary,
    kBinary,
    kAggregation,
    kCall,
    kParen,
  };

  explicit Expr(Kind kind_of_node) : kind(kind_of_node) {}
  virtual ~Expr() = default;
  Expr(const Expr&) = delete;
  Expr& operator=(const Expr&) = delete;

  const Kind kind;
  Span span;
  int height = 1;  ///< of the tree below, this node included
};

using ExprPtr = std::unique_ptr<Expr>;

/// Arithmetic on durations where a duration may stand (experimental): evaluated when the query's
/// step and range are known.
struct DurationExpr {
  enum class Kind { kNumber, kStep, kRange, kNegate, kBinary, kMin, kMax, kParen };
  Kind kind = Kind::kNumber;
  double seconds = 0;                  ///< kNumber
  bool is_duration = false;            ///< kNumber: written with units
  Operator op = Operator::kAdd;        ///< kBinary
  std::unique_ptr<DurationExpr> left;  ///< also the only operand
  std::unique_ptr<DurationExpr> right;
  Span span;
  int height = 1;
};

/// A duration: known, or an expression for it.
struct DurationValue {
  std::int64_t ms = 0;
  std::shared_ptr<const DurationExpr> expr;

  bool is_set() const { return ms != 0 || expr != nullptr; }
};

/// `offset` and `@`, of selectors and subqueries.
struct TimeShift {
  enum class At { kNone, kTime, kStart, kEnd };
  DurationValue offset;
  At at = At::kNone;
  std::int64_t at_ms = 0;  ///< kTime
};

struct NumberLiteral final : Expr {
  NumberLiteral() : Expr(Kind::kNumber) {}
  double value = 0;
  bool is_duration = false;  ///< written with units: 5m
};

struct StringLiteral final : Expr {
  StringLiteral() : Expr(Kind::kString) {}
  std::string value;
};

struct VectorSelector final : Expr {
  VectorSelector() : Expr(Kind::kVectorSelector) {}
  std::string name;  ///< as written before the braces; the matchers have it, too
  std::vector<Matcher> matchers;
  TimeShift shift;
};

struct MatrixSelector final : Expr {
  MatrixSelector() : Expr(Kind::kMatrixSelector) {}
  std::unique_ptr<VectorSelector> selector;
  DurationValue range;
};

struct Subquery final : Expr {
  Subquery() : Expr(Kind::kSubquery) {}
  ExprPtr expr;
  DurationValue range;
  DurationValue step;  ///< not set: the default interval
  TimeShift shift;
};

struct UnaryExpr final : Expr {
  UnaryExpr() : Expr(Kind::kUnary) {}
  Operator op = Operator::kSubtract;
  ExprPtr expr;
};

struct VectorMatching {
  enum class Cardinality { kOneToOne, kManyToOne, kOneToMany, kManyToMany };
  Cardinality cardinality = Cardinality::kOneToOne;
  bool on = false;
  std::vector<std::string> labels;
  std::vector<std::string> include;  ///< of group_left and group_right
  std::optional<double> fill_left;   ///< experimental
  std::optional<double> fill_right;
};

struct BinaryExpr final : Expr {
  BinaryExpr() : Expr(Kind::kBinary) {}
  Operator op = Operator::kAdd;
  Span op_span;
  ExprPtr left;
  ExprPtr right;
  bool return_bool = false;
  VectorMatching matching;  ///< counts between two vectors only
};

struct AggregateExpr final : Expr {
  AggregateExpr() : Expr(Kind::kAggregation) {}
  Aggregator op = Aggregator::kSum;
  ExprPtr expr;
  ExprPtr parameter;
  std::vector<std::string> grouping;
  bool without = false;
};

struct CallExpr final : Expr {
  CallExpr() : Expr(Kind::kCall) {}
  const Function* function = nullptr;
  std::vector<ExprPtr> arguments;
};

struct ParenExpr final : Expr {
  ParenExpr() : Expr(Kind::kParen) {}
  ExprPtr expr;
};

ValueType type_of(const Expr& expr);

/// Without the parentheses around it.
const Expr& unwrapped(const Expr& expr);

/// A node as what its kind says.
template <class Node>
const Node& as(const Expr& expr) {
  return static_cast<const Node&>(expr);
}

}  // namespace monitoring::promql
