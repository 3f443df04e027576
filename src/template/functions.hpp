#pragma once
// The functions and methods that templates call. Each gets its arguments checked against its
// parameters, and returns a value or says what was wrong.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/template/template.hpp"

namespace monitoring::templates {

/// One call under way.
struct FunctionCall {
  std::vector<Value>& arguments;
  const RenderContext& context;
  /// Executes another template: `tmpl`. Gives its output.
  const std::function<std::optional<std::string>(const std::string&, const Value&)>& execute;
  /// Set by a function that fails; its value is then ignored.
  std::optional<std::string> error;

  Value fail(std::string message) {
    error = std::move(message);
    return {};
  }
  const std::string& text(std::size_t index) const { return *arguments[index].text(); }
  std::size_t limit() const { return context.limits.output_bytes; }
};

struct FunctionSpec {
  std::string_view name;
  /// One letter for each parameter; a last * repeats the one before it (none, one or many).
  /// a any, s string, q query result, o sample, l []string, k list, m map or list or string,
  /// t time, d map[string]any.
  std::string_view parameters;
  Value (*run)(FunctionCall& call);
};

/// Null where the dialect has no such function. `and` and `or` are found, but the evaluator runs
/// them itself, because they evaluate their arguments only as far as they need.
const FunctionSpec* find_function(Dialect dialect, std::string_view name);

/// What is wrong with the arguments, in Go's words, if anything.
std::optional<std::string> check_arguments(const FunctionSpec& spec,
                                           const std::vector<Value>& arguments);

/// The method of the receiver's type, or null. The receiver is argument 0 of the call.
const FunctionSpec* find_method(const Value& receiver, std::string_view name);

/// Value of a field, if the object has it.
const Value* find_field(const ObjectData& object, std::string_view name);

/// Tables of the files that hold the functions.
const FunctionSpec* find_go_function(std::string_view name);
const FunctionSpec* find_prometheus_function(std::string_view name);
const FunctionSpec* find_alertmanager_function(std::string_view name);

template <std::size_t kSize>
const FunctionSpec* find_in(const FunctionSpec (&table)[kSize], std::string_view name) {
  for (const auto& spec : table) {
    if (spec.name == name) return &spec;
  }
  return nullptr;
}

/// Functions that both dialects have: defined in prometheus_functions.cpp.
const FunctionSpec* find_common_function(std::string_view name);

}  // namespace monitoring::templates
