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
  options.engine.closed_left = is_of_2;
  options.engine.delayed_name_removal = path.find("/v2.42") == std::string::npos;
  options.engine.type_and_unit_labels = !is_of_2;
  return options;
}

void run(const std::filesystem::path& folder, Report& report) {
  for (const auto& file : files_with_extension(folder, ".test")) {
    std::map<ScriptVerdict::Kind, std::size_t> counts;
    const std::string name = file.lexically_relative(folder).string();
    run_script(read_text(file), options_for(file), [&](const ScriptVerdict& verdict) {
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
