#pragma once
// Ranges of semantic versions, as Go programs write them: ">=10.0.0 <12.0.0 || 14.x".

#include <array>
#include <string>
#include <string_view>

#include "monitoring/base/result.hpp"

namespace monitoring::foreign {

/// major, minor, patch
using Version = std::array<int, 3>;

/// Whether the version lies within the range. In a range, parts that are missing, or "x", stand for
/// any number; a comparison with them is one with the lowest.
Result<bool> is_within(const Version& version, std::string_view range);

}  // namespace monitoring::foreign
