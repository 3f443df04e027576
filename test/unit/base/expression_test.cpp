#include "monitoring/base/expression.hpp"

#include <gtest/gtest.h>

namespace monitoring {
namespace {

TEST(Expression, MatchesAnyPartOfTheText) {
  EXPECT_TRUE(*has_match(R"({"status": "ok"})", R"("status": *"ok")"));
  EXPECT_FALSE(*has_match(R"({"status": "down"})", R"("status": *"ok")"));
  EXPECT_TRUE(*has_match("", ""));
}

TEST(Expression, SaysWhatIsWrong) {
  const auto result = has_match("text", "(open");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().message, "missing ): (open");
}

}  // namespace
}  // namespace monitoring
