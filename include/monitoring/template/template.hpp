#pragma once
// Prometheus' and Alertmanager's template language: Go's text/template with their functions.
// src/template/README.md lists what is there and what differs. Source text, output and work are
// limited, so that a template from a user cannot hold up an evaluation.

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/base/cancel.hpp"
#include "monitoring/base/clock.hpp"
#include "monitoring/base/result.hpp"
#include "monitoring/template/value.hpp"

namespace monitoring::templates {

/// Whose functions a template may call; Go's own are in both.
enum class Dialect { kPrometheus, kAlertmanager };

struct TemplateLimits {
  std::size_t output_bytes = 256UL * 1024;
  /// One for every node evaluated and for every 256 bytes that a function reads or makes.
  std::size_t steps = 200'000;
};

/// What a missing key of a map gives: Go's option missingkey.
enum class MissingKey { kNoValue, kZero, kError };

/// Everything a template sees besides its data.
struct RenderContext {
  /// Values of the variables that the template was parsed with ("labels" for $labels).
  std::map<std::string, Value> variables;
  /// `query`: gives a list kQueryResult of objects made by query_sample(). Null: query is an error.
  std::function<Result<Value>(const std::string&)> query;
  std::string external_url;
  Instant now{};
  MissingKey missing_key = MissingKey::kZero;
  /// Escape what is printed for HTML text and quoted attributes, except SafeText.
  bool html = false;
  TemplateLimits limits;
  CancelToken* cancel = process_cancel_token();  ///< not owned
};

/// One sample of a query's result, as `query` gives it to templates.
Value query_sample(const Labels& labels, double value);

namespace ast {
struct Definition;
}

/// Whether an error of render() names a field or a template that does not exist: no other data of
/// the same type would have avoided it.
bool names_the_unknown(const Error& error);

/// A parsed template with all that it can call. Immutable; copies share the parsed text.
class Template {
 public:
  using Definitions = std::map<std::string, std::shared_ptr<const ast::Definition>>;

  static constexpr std::size_t kMaxSourceBytes = 128UL * 1024;

  /// `variables` are declared before the text begins ("labels" for $labels). The definitions of
  /// `library` can be called, and overridden. Errors have the byte offset into `text`.
  static Result<Template> parse(std::string_view text, Dialect dialect,
                                const std::vector<std::string>& variables = {},
                                const Template* library = nullptr);

  /// Errors have the byte offset into the text that the failing part stood in.
  Result<std::string> render(const Value& data, const RenderContext& context) const;

  /// Whether the text mentions $value or .Value: whether the result may follow the value.
  bool uses_value() const { return uses_value_; }
  /// Whether the text calls the function `query`.
  bool uses_query() const { return uses_query_; }

 private:
  Template() = default;
  std::shared_ptr<const ast::Definition> main_;
  Definitions definitions_;
  Dialect dialect_ = Dialect::kPrometheus;
  bool uses_value_ = false;
  bool uses_query_ = false;
};

}  // namespace monitoring::templates
