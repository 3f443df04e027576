// Prometheus's own tables of queries that parse and queries that do not.

#include <algorithm>

#include "monitoring/promql/parser.hpp"
#include "monitoring/promql/printer.hpp"
#include "monitoring/promql/text.hpp"
#include "registry.hpp"

namespace monitoring::conformance {
namespace {

using nlohmann::json;

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t at = 0; at + 1 < hex.size(); at += 2) {
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(at, 2), nullptr, 16)));
  }
  return bytes;
}

std::string node_name(const promql::Expr& expr) {
  using Kind = promql::Expr::Kind;
  switch (expr.kind) {
    case Kind::kNumber:
      return "NumberLiteral";
    case Kind::kString:
      return "StringLiteral";
    case Kind::kVectorSelector:
      return "VectorSelector";
    case Kind::kMatrixSelector:
      return "MatrixSelector";
    case Kind::kSubquery:
      return "SubqueryExpr";
    case Kind::kUnary:
      return "UnaryExpr";
    case Kind::kBinary:
      return "BinaryExpr";
    case Kind::kAggregation:
      return "AggregateExpr";
    case Kind::kCall:
      return "Call";
    case Kind::kParen:
      return "ParenExpr";
  }
  return "?";
}

/// What 3.x reads or says otherwise than 2.42 did.
bool changed_since_2(const std::string& input) {
  const std::string inputs[] = {
      "100..4", "foo[5m1]", "foo[]", "some_metric[5m] OFFSET 1", "some_metric[5m] OFFSET",
      "start()"};
  return std::find(std::begin(inputs), std::end(inputs), input) != std::end(inputs);
}

void check_valid(const json& entry, const std::string& input, const promql::Expr& expr,
                 Report& report) {
  if (entry.contains("top_node")) {
    report.expect_equal(input, entry["top_node"], node_name(expr));
  } else {
    report.pass();
  }
  const std::string text = promql::printed(expr);
  const auto again = promql::parse(text, {true});
  report.expect_equal(input + ", printed and parsed", text,
                      again ? promql::printed(**again) : again.error().message);
}

void check(const json& entry, bool is_of_2, Report& report) {
  const std::string input = entry.contains("input_hex") ? from_hex(entry["input_hex"])
                                                        : entry["input"].get<std::string>();
  if (input == "{} 1 2 3") {
    return report.skip(input, "a series of promtool's tests, no query");
  }
  if (is_of_2 && changed_since_2(input)) {
    return report.skip(input, "3.x reads or says this otherwise than 2.42");
  }
  const bool wanted = entry["valid"];
  const auto parsed = promql::parse(input, {true});
  if (parsed.ok() != wanted) {
    return report.fail(input.substr(0, 100),
                       wanted ? promql::parse_error_text(input, parsed.error()) : "it parses");
  }
  if (parsed) return check_valid(entry, input, **parsed, report);
  const std::string got = promql::parse_error_text(input, parsed.error());
  const std::string message = entry.value("error_contains", "");
  if (got.find(message) != std::string::npos) return report.pass();
  report.fail(input.substr(0, 100), "wanted: " + message + "\n    got:    " + got);
}

void run(const std::filesystem::path& folder, Report& report) {
  for (const auto& file : files_with_extension(folder, ".json")) {
    const bool is_of_2 = file.string().find("/v2.") != std::string::npos;
    for (const json& entry : read_json(file, report)) check(entry, is_of_2, report);
  }
}

const Registration kSuite{"prometheus-promql-parser", run};

}  // namespace
}  // namespace monitoring::conformance
