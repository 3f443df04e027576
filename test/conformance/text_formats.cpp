// Texts of metrics: prometheus-textparse/error_cases.json [{format, input or input_hex, valid}] and
// whole files <name>.prom.txt and <name>.om.txt; openmetrics-parsers/<case>/{metrics, test.json}.

#include <set>

#include "monitoring/metrics/text_parser.hpp"
#include "registry.hpp"

namespace monitoring::conformance {

namespace {

using metrics::ExpositionFormat;
using nlohmann::json;

/// nullopt: it was read to its end.
std::optional<Error> problem_of(const std::string& text, ExpositionFormat format) {
  metrics::TextParser parser(text, format);
  while (true) {
    const auto entry = parser.next();
    if (!entry) return entry.error();
    if (*entry == metrics::TextParser::Entry::kEnd) return std::nullopt;
  }
}

std::string input_of(const json& test) {
  if (test.contains("input")) return test["input"];
  std::string bytes;
  const std::string hex = test["input_hex"];
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

void check(const std::string& name, const std::string& text, ExpositionFormat format, bool is_valid,
           Report& report) {
  const auto problem = problem_of(text, format);
  if (is_valid && problem) return report.fail(name, "refused: " + problem->message);
  if (!is_valid && !problem) return report.fail(name, "accepted");
  report.pass();
}

void run_textparse(const std::filesystem::path& folder, Report& report) {
  for (const auto& file : files_with_extension(folder, ".json")) {
    for (const json& test : read_json(file, report)) {
      const auto format = test["format"] == "openmetrics" ? ExpositionFormat::openmetrics
                                                          : ExpositionFormat::prometheus;
      check(test["from"].get<std::string>() + " " + test.value("input", "(hex)"), input_of(test),
            format, test["valid"], report);
    }
  }
  for (const auto& file : files_with_extension(folder, ".txt")) {
    const bool is_openmetrics = file.stem().extension() == ".om";
    check(file.filename().string(), read_text(file),
          is_openmetrics ? ExpositionFormat::openmetrics : ExpositionFormat::prometheus, true,
          report);
  }
}

/// Cases about what the samples of a type may be. Prometheus's parsers look at syntax alone, and so
/// does ours: such a text is scraped there, and here.
bool is_about_meaning(const std::string& name) {
  static const std::set<std::string> kKinds{"bad_clashing_names",
                                            "bad_counter_values",
                                            "bad_exemplars_on_unallowed_metric_types",
                                            "bad_exemplars_on_unallowed_samples",
                                            "bad_grouping_or_ordering",
                                            "bad_histograms",
                                            "bad_info_and_stateset_values",
                                            "bad_metadata_in_wrong_place",
                                            "bad_missing_or_invalid_labels_for_a_type",
                                            "bad_repeated_metadata",
                                            "bad_stateset_info_values"};
  // More than 128 characters in an exemplar; a unit on a type that has none.
  static const std::set<std::string> kCases{"bad_exemplars_6", "bad_unit_7"};
  return kCases.count(name) > 0 || kKinds.count(name.substr(0, name.rfind('_'))) > 0;
}

void run_openmetrics(const std::filesystem::path& folder, Report& report) {
  for (const auto& file : files_with_extension(folder, ".json")) {
    const json test = read_json(file, report);
    if (!test.is_object() || test.value("type", "") != "text") continue;
    const std::string name = file.parent_path().filename().string();
    const std::string text = read_text(file.parent_path() / test["file"].get<std::string>());
    if (!test["shouldParse"].get<bool>() && is_about_meaning(name)) {
      const bool is_read = !problem_of(text, ExpositionFormat::openmetrics);
      is_read ? report.skip(name, "Prometheus reads it, too") : report.pass();
      continue;
    }
    check(name, text, ExpositionFormat::openmetrics, test["shouldParse"], report);
  }
}

const Registration kTextparse{"prometheus-textparse", run_textparse};
const Registration kOpenmetrics{"openmetrics-parsers", run_openmetrics};

}  // namespace

}  // namespace monitoring::conformance
