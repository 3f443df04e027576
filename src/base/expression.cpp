#include "monitoring/base/expression.hpp"

#include <re2/re2.h>

namespace monitoring {

namespace {

/// For a compiled expression; RE2 refuses larger ones.
constexpr std::int64_t kMaxBytes = 1 << 20;
/// Places of the program times characters: the worst that one search takes, about a second.
constexpr std::size_t kMaxSearchSteps = 500'000'000;

}  // namespace

Result<bool> has_match(const std::string& text, const std::string& expression) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMaxBytes);
  const RE2 compiled(expression, options);
  if (!compiled.ok()) return Error::of(compiled.error());
  if (static_cast<std::size_t>(compiled.ProgramSize()) * text.size() > kMaxSearchSteps) {
    return Error::of("the expression is too large for so long a text");
  }
  return RE2::PartialMatch(text, compiled);
}

}  // namespace monitoring
