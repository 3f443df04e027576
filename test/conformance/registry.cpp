#include "registry.hpp"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <sstream>

namespace monitoring::conformance {

namespace {

/// A function's static, because suites register before main() in no known order.
std::multimap<std::string, Suite>& mutable_suites() {
  static std::multimap<std::string, Suite> all;
  return all;
}

}  // namespace

void Report::fail(const std::string& case_name, const std::string& why) {
  failures_.push_back({case_name, why});
}

void Report::skip(const std::string& case_name, const std::string& reason) {
  ++skipped_;
  cases_by_skip_reason_[reason].push_back(case_name);
}

void Report::expect_equal(const std::string& case_name, const std::string& wanted,
                          const std::string& got) {
  if (wanted == got) return pass();
  fail(case_name, "wanted: " + wanted + "\n    got:    " + got);
}

void Report::print(const std::string& suite_name) const {
  std::cout << suite_name << ": " << passed() << " passed, " << failed() << " failed, " << skipped()
            << " skipped\n";
  for (const auto& failure : failures_) {
    std::cout << "  FAILED " << failure.case_name << "\n    " << failure.why << "\n";
  }
  for (const auto& [reason, case_names] : cases_by_skip_reason_) {
    std::cout << "  skipped " << case_names.size() << ": " << reason << "\n";
    for (const auto& name : case_names) std::cout << "    " << name << "\n";
  }
}

Registration::Registration(const std::string& suite_name, Suite suite) {
  mutable_suites().emplace(suite_name, std::move(suite));
}

const std::multimap<std::string, Suite>& suites() {
  return mutable_suites();
}

std::vector<std::filesystem::path> files_with_extension(const std::filesystem::path& folder,
                                                        const std::string& extension) {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && entry.path().extension() == extension) {
      found.push_back(entry.path());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string read_text(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

nlohmann::json read_json(const std::filesystem::path& file, Report& report) {
  auto parsed = nlohmann::json::parse(read_text(file), nullptr, false);
  if (parsed.is_discarded()) report.fail(file.filename(), "is not valid JSON");
  return parsed;
}

}  // namespace monitoring::conformance
