// Prometheus' template/template_test.go as data: [{text, output, should_fail, html, error?,
// input_go?, query_result_go?}].

#include "go_literal.hpp"
#include "monitoring/template/template.hpp"
#include "registry.hpp"

namespace monitoring::conformance {

namespace {

using templates::Dialect;
using templates::MissingKey;
using templates::RenderContext;
using templates::Template;
using templates::Value;

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

Result<std::string> expand(const std::string& text, const Value& input,
                           const RenderContext& context) {
  const auto parsed = Template::parse(text, Dialect::kPrometheus);
  if (!parsed.ok()) return parsed.error();
  return parsed->render(input, context);
}

void run_case(const nlohmann::json& test, const std::string& name, Report& report) {
  RenderContext context;
  context.external_url = "http://testhost:9090/path/prefix";
  context.html = test.value("html", false);
  const auto wanted_error = test.value("error", "");
  // The table does not carry the option missingkey=error, but the error that follows from it.
  if (wanted_error.find("no entry for key") != std::string::npos) {
    context.missing_key = MissingKey::kError;
  }
  Value input;
  if (const auto literal = test.value("input_go", ""); !literal.empty()) {
    const auto value = go_list(literal);
    if (!value) return report.skip(name, "input in a Go literal that the runner cannot read");
    input = *value;
  }
  if (const auto literal = test.value("query_result_go", ""); !literal.empty()) {
    const auto vector = go_vector(literal);
    if (!vector) return report.skip(name, "query result that the runner cannot read");
    context.query = [vector](const std::string&) -> Result<Value> { return *vector; };
  }
  const auto got = expand(test.at("text"), input, context);
  if (!test.value("should_fail", false)) {
    return report.expect_equal(name, test.at("output").get<std::string>(),
                               got.ok() ? *got : "error: " + got.error().message);
  }
  if (got.ok()) return report.fail(name, "wanted an error, got: " + *got);
  if (wanted_error.empty() || ends_with(wanted_error, got.error().message)) return report.pass();
  report.fail(name, "wanted the error: " + wanted_error + "\n    got: " + got.error().message);
}

void run(const std::filesystem::path& folder, Report& report) {
  for (const auto& file : files_with_extension(folder, ".json")) {
    const auto cases = read_json(file, report);
    if (!cases.is_array()) continue;
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const auto name = file.filename().string() + "[" + std::to_string(i) + "] " +
                        cases[i].at("text").get<std::string>();
      run_case(cases[i], name, report);
    }
  }
}

const Registration kSuite{"prometheus-template", run};

}  // namespace

}  // namespace monitoring::conformance
