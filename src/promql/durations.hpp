#pragma once
// Durations that a query computes.

#include <cstdint>
#include <optional>

#include "monitoring/base/result.hpp"
#include "monitoring/promql/ast.hpp"

namespace monitoring::promql {

/// Rounded to milliseconds; none where Prometheus's nanoseconds would not hold it.
std::optional<std::int64_t> checked_ms(double seconds);

/// What a duration is in a query with this step and range. A range must be positive.
Result<std::int64_t> resolved_ms(const DurationValue& duration, std::int64_t step_ms,
                                 std::int64_t range_ms);

}  // namespace monitoring::promql
