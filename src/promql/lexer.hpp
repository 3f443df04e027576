#pragma once
// The words of a PromQL query.

#include <string>
#include <string_view>
#include <vector>

#include "monitoring/promql/ast.hpp"

namespace monitoring::promql {

struct Token {
  enum class Kind {
    kEnd,
    kError,  ///< the last token of a text that cannot be divided into words
    kNumber,
    kDuration,
    kString,
    kIdentifier,
    kMetricIdentifier,  ///< with a colon
    kLeftParen,
    kRightParen,
    kLeftBrace,
    kRightBrace,
    kLeftBracket,
    kRightBracket,
    kComma,
    kColon,
    kAssign,  ///< "="
    kRegexMatch,
    kNotRegexMatch,
    kAt,
    kOperator,
    kAggregator,
    // Words with a meaning in some place.
    kBool,
    kBy,
    kGroupLeft,
    kGroupRight,
    kIgnoring,
    kOffset,
    kOn,
    kWithout,
    kFill,
    kFillLeft,
    kFillRight,
    kAnchored,
    kSmoothed,
    kStart,
    kEndWord,
    kStep,
    kRange,
  };

  Kind kind = Kind::kEnd;
  Span span;
  std::string_view text;
  Operator op = Operator::kAdd;              ///< kOperator
  Aggregator aggregator = Aggregator::kSum;  ///< kAggregator
};

struct Tokens {
  /// Ends with kEnd or kError.
  std::vector<Token> list;
  std::string error;  ///< what kError says
};

Tokens tokens_of(std::string_view query);

/// As Prometheus names a word that it did not expect: `identifier "foo"`, `<op:+>`.
std::string description(const Token& token, const std::string& lexer_error);

}  // namespace monitoring::promql
