#pragma once
// Go's package fmt over template values: %v and Sprintf. Output beyond `limit` bytes is not made:
// the caller sees a longer text than it allows and reports that.

#include <string>
#include <string_view>
#include <vector>

#include "monitoring/template/value.hpp"

namespace monitoring::templates {

/// %v. nil is "<nil>"; printing an action's result says "<no value>" by itself.
std::string format_value(const Value& value, std::size_t limit);
/// fmt.Sprint: a space between operands when neither is a string.
std::string go_sprint(const std::vector<Value>& values, std::size_t limit);
/// fmt.Sprintln.
std::string go_sprintln(const std::vector<Value>& values, std::size_t limit);
/// fmt.Sprintf. Wrong verbs and counts are in the text, as in Go: "%!d(string=x)".
std::string go_sprintf(std::string_view format, const std::vector<Value>& values,
                       std::size_t limit);
/// encoding/json, with its HTML-safe escapes.
std::string to_json(const Value& value, std::size_t limit);

}  // namespace monitoring::templates
