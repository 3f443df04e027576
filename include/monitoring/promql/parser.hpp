#pragma once
// From the text of a query to its tree.

#include <string_view>

#include "monitoring/base/result.hpp"
#include "monitoring/promql/ast.hpp"

namespace monitoring::promql {

/// No tree is higher, and no query longer. Every walk over a tree recurses no deeper.
inline constexpr int kMostHeight = 400;
inline constexpr std::size_t kMostQueryBytes = 1U << 20;

struct ParseOptions {
  /// What Prometheus has behind --enable-feature: functions marked experimental, limitk and
  /// limit_ratio, arithmetic on durations, fill modifiers.
  bool experimental = false;
};

/// A query that parses is well typed, too. Errors have a position; parse_error_text() (text.hpp)
/// makes Prometheus's message of one.
Result<ExprPtr> parse(std::string_view query, const ParseOptions& options = {});

/// A selector alone, as in match[]: its matchers. At least one must not match the empty value.
Result<std::vector<Matcher>> parse_selector(std::string_view text);

}  // namespace monitoring::promql
