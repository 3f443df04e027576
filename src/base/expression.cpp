#include "monitoring/base/expression.hpp"

#include <re2/re2.h>

namespace monitoring {

Result<bool> has_match(const std::string& text, const std::string& expression) {
  RE2::Options options;
  options.set_log_errors(false);
  const RE2 compiled(expression, options);
  if (!compiled.ok()) return Error::of(compiled.error());
  return RE2::PartialMatch(text, compiled);
}

}  // namespace monitoring
