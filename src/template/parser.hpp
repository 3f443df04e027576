#pragma once
// Tokens to syntax tree, as Go's text/template/parse does it.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/base/result.hpp"
#include "template/ast.hpp"

namespace monitoring::templates {

struct ParsedTemplate {
  std::shared_ptr<const ast::Definition> main;
  std::map<std::string, std::shared_ptr<const ast::Definition>> definitions;
  bool uses_value = false;
  /// Whether the function `query` is called.
  bool uses_query = false;
};

/// `is_function` says which identifiers may be called; `variables` are in scope from the start.
Result<ParsedTemplate> parse_template(std::string_view source,
                                      const std::function<bool(const std::string&)>& is_function,
                                      const std::vector<std::string>& variables);

}  // namespace monitoring::templates
