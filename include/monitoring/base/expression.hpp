#pragma once
// RE2's regular expressions for code beside the server's headers, whose macros Min and Max RE2's
// own headers do not bear.

#include <string>

#include "monitoring/base/result.hpp"

namespace monitoring {

/// Whether some part of the text matches; what is wrong with the expression, where it is none.
/// Linear in the text's length, whatever the expression.
Result<bool> has_match(const std::string& text, const std::string& expression);

}  // namespace monitoring
