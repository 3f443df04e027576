#pragma once
// Whether the parts of a tree fit together.

#include <optional>
#include <string_view>

#include "monitoring/base/result.hpp"
#include "monitoring/promql/ast.hpp"

namespace monitoring::promql {

/// The first thing that is wrong, in Prometheus's words.
std::optional<Error> check_types(const Expr& expr);

}  // namespace monitoring::promql
