#pragma once
// Prometheus's scripts of tests for query engines (promqltest): load, clear and eval.

#include <functional>
#include <string>
#include <string_view>

#include "monitoring/promql/engine.hpp"
#include "monitoring/promql/parser.hpp"

namespace monitoring::promql {

struct ScriptVerdict {
  enum class Kind { kPassed, kFailed, kSkipped };
  Kind kind = Kind::kPassed;
  std::size_t line = 0;
  std::string query;
  /// What was wrong, or why it was skipped.
  std::string why;
};

struct ScriptOptions {
  EngineOptions engine;
  ParseOptions parser;
};

/// Calls `tell` for each eval of the script, and for each line that cannot be read.
void run_script(std::string_view script, const ScriptOptions& options,
                const std::function<void(const ScriptVerdict&)>& tell);

}  // namespace monitoring::promql
