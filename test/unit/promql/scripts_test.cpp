// The scripts in test/promql, in Prometheus's format for tests of query engines.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "promqltest.hpp"

namespace monitoring::promql {
namespace {

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// Of a script: what failed, and how many evals there were.
std::pair<std::vector<std::string>, std::size_t> run(std::string_view script) {
  ScriptOptions options;
  options.parser.experimental = true;
  std::vector<std::string> failures;
  std::size_t evals = 0;
  run_script(script, options, [&](const ScriptVerdict& verdict) {
    ++evals;
    // What a script has that is not run is no test.
    if (verdict.kind == ScriptVerdict::Kind::kPassed) return;
    failures.push_back(std::to_string(verdict.line) + ": " + verdict.query + ": " + verdict.why);
  });
  return {failures, evals};
}

TEST(PromqlScripts, Pass) {
  std::size_t scripts = 0;
  for (const auto& entry : std::filesystem::directory_iterator("test/promql")) {
    if (entry.path().extension() != ".test") continue;
    ++scripts;
    const auto [failures, evals] = run(text_of(entry.path()));
    EXPECT_GT(evals, 5U) << entry.path();
    for (const std::string& failure : failures) ADD_FAILURE() << entry.path() << ":" << failure;
  }
  EXPECT_GE(scripts, 5U);
}

/// A runner that passes everything would test nothing.
TEST(PromqlScripts, FailWhereTheyShould) {
  const char* const kWrong[] = {
      "eval instant at 0 1\n  2\n",
      "load 1m\n  a 1\n\neval instant at 0 a\n  a 2\n",
      "load 1m\n  a 1\n\neval instant at 0 a\n",
      "load 1m\n  a 1\n\neval instant at 0 a\n  a 1\n  b 1\n",
      "load 1m\n  a 1 2\n\neval range from 0 to 1m step 1m a\n  a 1 3\n",
      "load 1m\n  a 1 2\n\neval range from 0 to 1m step 1m a\n  a 1\n",
      "load 1m\n  a 1 2\n\neval range from 0 to 1m step 1m a\n  a 1 2\n  b 1\n",
      "eval instant at 0 sum(\n",
      "eval instant at 0 1\n  expect fail\n",
      "eval instant at 0 sum(\n  expect fail msg: something else\n",
      "load 1m\n  a 1\n\neval instant at 0 a\n  expect warn\n  a 1\n",
      "load 1m\n  a 0+1x5\n\neval instant at 5m rate(a[5m])\n  expect no_info\n  {} 0.01666667\n",
      "load 1m\n  a 1\n  b 2\n\neval instant at 0 sort({__name__=~\"a|b\"})\n  expect ordered\n  b "
      "2\n  "
      "a 1\n",
      "what is this\n",
      "load 1m\n  a 1 ?\n",
  };
  for (const char* script : kWrong) EXPECT_EQ(run(script).first.size(), 1U) << script;
}

}  // namespace
}  // namespace monitoring::promql
