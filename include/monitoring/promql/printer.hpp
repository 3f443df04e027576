#pragma once
// From a tree back to text.

#include <string>

#include "monitoring/promql/ast.hpp"

namespace monitoring::promql {

/// On one line, as Prometheus prints it. Parsed again it is the same tree.
std::string printed(const Expr& expr);

/// Over several indented lines where one would be longer than 100 bytes: what Prometheus's
/// format_query answers.
std::string pretty(const Expr& expr);

}  // namespace monitoring::promql
