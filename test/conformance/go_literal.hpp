#pragma once
// The few Go literals that the template cases use as input: number lists, samples, KV maps.

#include <optional>
#include <string>
#include <vector>

#include "monitoring/template/value.hpp"

namespace monitoring::conformance {

/// "[]float64{0.0, math.Inf(1), 60*2 + 1}", "[]int64{math.MaxInt64}", "[]string{"a"}"; none where
/// the literal is of another form.
std::optional<templates::Value> go_list(const std::string& literal);

/// The samples of a promql.Vector literal.
std::optional<templates::Value> go_vector(const std::string& literal);

/// The quoted and back-quoted strings of a piece of Go source, in order.
std::vector<std::string> go_strings(const std::string& source);

}  // namespace monitoring::conformance
