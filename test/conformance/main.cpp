// Runs every registered suite whose sub-folder exists below the folder given (or which is that
// folder). Exit code: 0 when all that ran passed, 1 on a failed case or when no case ran, 2 on
// wrong usage.

#include <filesystem>
#include <iostream>

#include "registry.hpp"

namespace {

using monitoring::conformance::Report;

std::filesystem::path suite_folder(const std::filesystem::path& root, const std::string& name) {
  if (std::filesystem::is_directory(root / name)) return root / name;
  const auto last = root.filename().empty() ? root.parent_path().filename() : root.filename();
  return last == name ? root : std::filesystem::path{};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 || !std::filesystem::is_directory(argv[1])) {
    std::cerr << "usage: conformance <folder with the cases>\n";
    return 2;
  }
  std::size_t ran = 0;
  std::size_t failed = 0;
  for (const auto& [name, suite] : monitoring::conformance::suites()) {
    const auto folder = suite_folder(argv[1], name);
    if (folder.empty()) {
      std::cout << name << ": no such folder, not run\n";
      continue;
    }
    Report report;
    suite(folder, report);
    report.print(name);
    ran += report.passed() + report.failed();
    failed += report.failed();
  }
  if (ran == 0) std::cerr << "no case was run\n";
  return ran > 0 && failed == 0 ? 0 : 1;
}
