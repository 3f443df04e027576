// Prometheus's own scripts of tests of its query engine, of three versions.

#include <iostream>
#include <map>

#include "../unit/promql/promqltest.hpp"
#include "registry.hpp"

namespace monitoring::conformance {
namespace {

using promql::ScriptOptions;
using promql::ScriptVerdict;

/// As promqltest of that version configures its engine.
ScriptOptions options_for(const std::filesystem::path& file) {
  ScriptOptions options;
  options.parser.experimental = true;
  const std::string path = file.string();
  const bool is_of_2 = path.find("/v2.") != std::string::npos;
  options.engine.as_before_3 = is_of_2;
  options.engine.delayed_name_removal = path.find("/v2.42") == std::string::npos;
  return options;
}

/// Why this engine answers otherwise than the version of the script, on purpose.
std::string difference(const std::string& name, const std::string& query) {
  if (name.find("v2.42") == 0 && query == "trigy atan2 trigNaN") {
    return "2.42 keeps the name at atan2";
  }
  if (name.find("v2.55") == 0 && query == "increase(http_requests[100m])") {
    return "counters are extrapolated as in 3.x, or else as in 2.42";
  }
  return {};
}

void run(const std::filesystem::path& folder, Report& report) {
  for (const auto& file : files_with_extension(folder, ".test")) {
    std::map<ScriptVerdict::Kind, std::size_t> counts;
    const std::string name = file.lexically_relative(folder).string();
    run_script(read_text(file), options_for(file), [&](const ScriptVerdict& verdict) {
      const std::string known = difference(name, verdict.query);
      if (verdict.kind == ScriptVerdict::Kind::kFailed && !known.empty()) {
        ++counts[ScriptVerdict::Kind::kSkipped];
        return report.skip(name + " " + verdict.query, known);
      }
      ++counts[verdict.kind];
      const std::string place = name + ":" + std::to_string(verdict.line) + " " + verdict.query;
      if (verdict.kind == ScriptVerdict::Kind::kPassed) report.pass();
      if (verdict.kind == ScriptVerdict::Kind::kFailed) report.fail(place, verdict.why);
      if (verdict.kind == ScriptVerdict::Kind::kSkipped) report.skip(place, verdict.why);
    });
    std::cout << "  " << name << ": " << counts[ScriptVerdict::Kind::kPassed] << " passed, "
              << counts[ScriptVerdict::Kind::kFailed] << " failed, "
              << counts[ScriptVerdict::Kind::kSkipped] << " skipped\n";
  }
}

const Registration kSuite{"prometheus-promqltest", run};

}  // namespace
}  // namespace monitoring::conformance
