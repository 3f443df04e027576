#pragma once
// The suites of `make conformance`. A suite is one function over a folder of third-party cases; it
// lives in its own file and registers itself:
//
//   const Registration kSuite{"alertmanager-routes", run_routes};
//
// The name is the sub-folder that holds its files. A suite reads whatever files of its format lie
// there, so that more cases can be added without touching the code.

#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace monitoring::conformance {

/// What became of the cases of one suite.
class Report {
 public:
  void pass() { ++passed_; }
  /// `why` is shown to the reader: what was wanted and what came.
  void fail(const std::string& case_name, const std::string& why);
  /// A case that this extension does not answer on purpose; equal reasons are counted together.
  void skip(const std::string& case_name, const std::string& reason);
  /// Passes when both are equal, else fails showing both.
  void expect_equal(const std::string& case_name, const std::string& wanted,
                    const std::string& got);

  std::size_t passed() const { return passed_; }
  std::size_t failed() const { return failures_.size(); }
  std::size_t skipped() const { return skipped_; }
  std::size_t total() const { return passed() + failed() + skipped(); }
  void print(const std::string& suite_name) const;

 private:
  struct Failure {
    std::string case_name;
    std::string why;
  };
  std::size_t passed_ = 0;
  std::size_t skipped_ = 0;
  std::vector<Failure> failures_;
  std::map<std::string, std::vector<std::string>> cases_by_skip_reason_;
};

using Suite = std::function<void(const std::filesystem::path& folder, Report& report)>;

/// Adds a suite at start-up. The object itself carries nothing.
struct Registration {
  Registration(const std::string& suite_name, Suite suite);
};

/// Every suite by name, in order; a folder may have several.
const std::multimap<std::string, Suite>& suites();

/// Files of the folder and below with this extension (".json"), sorted by path.
std::vector<std::filesystem::path> files_with_extension(const std::filesystem::path& folder,
                                                        const std::string& extension);
std::string read_text(const std::filesystem::path& file);
/// A discarded value where the text is no JSON; the report gets a failure named after the file.
nlohmann::json read_json(const std::filesystem::path& file, Report& report);

}  // namespace monitoring::conformance
