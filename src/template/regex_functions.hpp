#pragma once
// Go's package regexp over RE2, which has the same syntax.

#include <optional>
#include <string>

#include "template/functions.hpp"

namespace monitoring::templates {

/// match: whether the pattern (argument 0) matches anywhere in the text (argument 1).
Value regex_match(FunctionCall& call);
/// reReplaceAll: pattern, replacement with $1 and ${name}, text.
Value regex_replace_all(FunctionCall& call);

}  // namespace monitoring::templates
