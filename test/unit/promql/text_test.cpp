#include "monitoring/promql/text.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "monitoring/promql/matcher.hpp"

namespace monitoring::promql {
namespace {

TEST(PromqlText, WritesNumbersAsGo) {
  const double kInfinity = std::numeric_limits<double>::infinity();
  struct Case {
    double value;
    const char* fixed;
    const char* sample;
    const char* brief;
  };
  const Case kCases[] = {
      {0, "0", "0", "0"},
      {-0.0, "-0", "-0", "-0"},
      {1, "1", "1", "1"},
      {0.1, "0.1", "0.1", "0.1"},
      {-2.5, "-2.5", "-2.5", "-2.5"},
      {1e20, "100000000000000000000", "100000000000000000000", "100000000000000000000"},
      {1e21, "1000000000000000000000", "1e+21", "1e+21"},
      {1e23, "100000000000000000000000", "1e+23", "1e+23"},
      {0.00001, "0.00001", "0.00001", "1e-05"},
      {1e-6, "0.000001", "0.000001", "1e-06"},
      {1.5e-7, "0.00000015", "1.5e-7", "1.5e-07"},
      {123456.789, "123456.789", "123456.789", "123456.789"},
      {kInfinity, "+Inf", "+Inf", "+Inf"},
      {-kInfinity, "-Inf", "-Inf", "-Inf"},
      {std::nan(""), "NaN", "NaN", "NaN"},
  };
  for (const Case& c : kCases) {
    EXPECT_EQ(number_text(c.value), c.fixed);
    EXPECT_EQ(sample_text(c.value), c.sample);
    EXPECT_EQ(short_number_text(c.value), c.brief);
  }
}

TEST(PromqlText, ReadsNumbers) {
  EXPECT_EQ(*parse_number("0x10"), 16);
  EXPECT_EQ(*parse_number("010"), 8);
  EXPECT_EQ(*parse_number("09"), 9);
  EXPECT_EQ(*parse_number("1_000.5"), 1000.5);
  EXPECT_EQ(*parse_number(".5"), 0.5);
  EXPECT_EQ(*parse_number("1e-400"), 0);
  EXPECT_TRUE(std::isinf(*parse_number("Inf")));
  EXPECT_FALSE(parse_number("1e400").ok());
  EXPECT_FALSE(parse_number("0xfffffffffffffffff").ok());
  EXPECT_FALSE(parse_number("").ok());
  EXPECT_FALSE(parse_number("x").ok());
}

TEST(PromqlText, ReadsAndWritesDurations) {
  const std::pair<const char*, std::int64_t> kCases[] = {
      {"1ms", 1},        {"1s", 1000},        {"1m30s", 90000},   {"2d", 172800000},
      {"1w", 604800000}, {"1y", 31536000000}, {"1h1ms", 3600001}, {"8d", 691200000},
  };
  for (const auto& [text, ms] : kCases) {
    EXPECT_EQ(*parse_duration(text), ms);
    EXPECT_EQ(duration_text(ms), text);
  }
  EXPECT_EQ(duration_text(0), "0s");
  EXPECT_EQ(*parse_duration("0"), 0);
  for (const char* bad : {"", "1", "s", "1s1m", "1s1s", "1.5s", "-1s", "1 s", "1msx", "1sm"}) {
    EXPECT_FALSE(parse_duration(bad).ok()) << bad;
  }
  EXPECT_EQ(parse_duration("99999999999y").error().message, "duration out of range");
  EXPECT_EQ(parse_duration("99999999999999999999s").error().message, "duration out of range");
}

TEST(PromqlText, ShowsPlaces) {
  EXPECT_EQ(place_text("abc", 1), "1:2");
  EXPECT_EQ(place_text("a\nbc", 3), "2:2");
  EXPECT_EQ(place_text("abc", 99), "1:4");
  EXPECT_EQ(caret_text("sum(foo", 4), "sum(foo\n    ^");
  EXPECT_EQ(caret_text("a\nb + ", 6), "b + \n    ^");
  EXPECT_EQ(caret_text("\xC3\xA9 x", 3), "\xC3\xA9 x\n  ^");
  const std::string caret = caret_text(std::string(5000, 'x'), 2500);
  EXPECT_LT(caret.size(), 200U);
}

TEST(PromqlText, Quotes) {
  EXPECT_EQ(quoted("a\"\\\n\x01\xFF\xC3\xA9"), "\"a\\\"\\\\\\n\\x01\\xff\xC3\xA9\"");
  EXPECT_EQ(labels_text({}), "{}");
  EXPECT_EQ(labels_text({{"__name__", "a"}}), "a");
  EXPECT_EQ(labels_text({{"__name__", "a"}, {"b", "1"}, {"c.d", "2"}}),
            "a{b=\"1\", \"c.d\"=\"2\"}");
}

TEST(PromqlMatcher, MatchesWholeValues) {
  const auto matches = [](MatchOp op, const char* value, std::string_view label) {
    return Matcher::make(op, "a", value)->matches(label);
  };
  EXPECT_TRUE(matches(MatchOp::kRegex, "b|c", "c"));
  EXPECT_FALSE(matches(MatchOp::kRegex, "b|c", "bc"));
  EXPECT_TRUE(matches(MatchOp::kRegex, "a.b", "a\nb"));
  EXPECT_TRUE(matches(MatchOp::kNotRegex, "a", "ab"));
  EXPECT_TRUE(matches(MatchOp::kEqual, "", ""));
  EXPECT_TRUE(Matcher::make(MatchOp::kRegex, "a", ".*")->matches_empty());
  EXPECT_FALSE(Matcher::make(MatchOp::kRegex, "a", "(").ok());
}

TEST(PromqlMatcher, KnowsAlternatives) {
  const auto alternatives = [](const char* value) {
    return Matcher::make(MatchOp::kRegex, "a", value)->alternatives();
  };
  EXPECT_EQ(alternatives("GET|POST"), (std::vector<std::string>{"GET", "POST"}));
  EXPECT_EQ(alternatives("a"), std::vector<std::string>{"a"});
  EXPECT_TRUE(alternatives("a.*").empty());
  EXPECT_TRUE(Matcher::equal("a", "b").alternatives().empty());
}

}  // namespace
}  // namespace monitoring::promql
