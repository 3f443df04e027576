// Matchers: [{input, valid, matchers: [{op, name, value}], error}].

#include "monitoring/dispatch/matcher.hpp"
#include "registry.hpp"

namespace monitoring::conformance {

namespace {

using nlohmann::json;

/// Both sides in one form: op, name and value of each.
std::string wanted_text(const json& matchers) {
  json list = json::array();
  for (const json& matcher : matchers) {
    list.push_back({matcher["op"], matcher["name"], matcher["value"]});
  }
  return list.dump();
}

std::string parsed_text(const dispatch::Matchers& matchers) {
  json list = json::array();
  for (const dispatch::Matcher& matcher : matchers) {
    list.push_back({std::string(match_op_text(matcher.op())), matcher.name(), matcher.value()});
  }
  return list.dump();
}

/// RE2 words its complaints about expressions in its own way; that there is one has to agree.
std::string error_class(const std::string& message) {
  constexpr std::string_view kRegex = "error parsing regexp";
  return std::string(message.substr(0, kRegex.size()) == kRegex ? kRegex : message);
}

void run_case(const json& test, Report& report) {
  const std::string input = test["input"];
  const auto matchers = dispatch::parse_matchers(input);
  if (test["valid"].get<bool>()) {
    if (!matchers) return report.fail(input, "refused: " + matchers.error().message);
    return report.expect_equal(input, wanted_text(test["matchers"]), parsed_text(*matchers));
  }
  if (matchers) return report.fail(input, "accepted: " + parsed_text(*matchers));
  if (!test["error"].is_string()) return report.pass();
  report.expect_equal(input, error_class(test["error"]), error_class(matchers.error().message));
}

void run_matchers(const std::filesystem::path& folder, Report& report) {
  for (const auto& file : files_with_extension(folder, ".json")) {
    for (const json& test : read_json(file, report)) run_case(test, report);
  }
}

const Registration kSuite{"alertmanager-matchers", run_matchers};

}  // namespace

}  // namespace monitoring::conformance
