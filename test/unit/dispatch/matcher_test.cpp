#include "monitoring/dispatch/matcher.hpp"

#include <gtest/gtest.h>

namespace monitoring::dispatch {
namespace {

/// The matchers of a text as printed, or the error.
std::string parsed(std::string_view text) {
  auto matchers = parse_matchers(text);
  if (matchers) return matchers_text(*matchers);
  return "error at " + std::to_string(matchers.error().position.value_or(9999)) + ": " +
         matchers.error().message;
}

bool matches(std::string_view text, const Labels& labels) {
  return matches_all(parse_matchers(text).value(), labels);
}

TEST(MatcherParser, ReadsAllOperators) {
  EXPECT_EQ(parsed("a=1, b!=2,c=~3.*,d!~4"), R"({a="1",b!="2",c=~"3.*",d!~"4"})");
  EXPECT_EQ(parsed(" { a = \"x, y\" , } "), R"({a="x, y"})");
  EXPECT_EQ(parsed(""), "{}");
  EXPECT_EQ(parsed("{}"), "{}");
}

TEST(MatcherParser, ReadsUtf8NamesAndGoEscapes) {
  EXPECT_EQ(parsed("\"größe é\"=\"\\u00e9\\t\""), "{\"größe é\"=\"é\\t\"}");
  EXPECT_EQ(parsed("größe=ü"), "{größe=\"ü\"}");
}

TEST(MatcherParser, FallsBackToTheClassicGrammar) {
  EXPECT_EQ(parsed("{foo=}b"), R"({foo="}b"})");
  EXPECT_EQ(parsed("{foo=,bar=}}"), R"({foo="",bar="}"})");
  EXPECT_EQ(parsed(R"(a=x\y)"), R"({a="x\\y"})");
  EXPECT_EQ(parsed("a=b c"), R"({a="b c"})");
  EXPECT_EQ(parsed(R"(a="x\",z",b=}y)"), R"({a="x\",z",b="}y"})") << "the comma is quoted";
}

TEST(MatcherParser, ClassicReadingHoldsWhereBothAccept) {
  // UTF-8 grammar: a tab; classic grammar: a backslash and a t.
  EXPECT_EQ(parsed(R"(a="x\ty")"), R"({a="x\\ty"})");
}

TEST(MatcherParser, ErrorsCarryAPosition) {
  EXPECT_EQ(parsed("{,}"), "error at 1: bad matcher format: ");
  EXPECT_EQ(parsed("a=1,b"), "error at 4: bad matcher format: b");
  EXPECT_EQ(parsed("a=x\"y"), "error at 3: matcher value contains unescaped double quote: x\"y");
  EXPECT_EQ(parsed("a=\"x"), "error at 2: matcher value contains unescaped double quote: \"x");
  EXPECT_EQ(parsed("a=\xff"), "error at 2: matcher is not valid UTF-8");
}

TEST(MatcherParser, RegexErrorPointsIntoTheExpression) {
  const auto result = parse_matchers("ok=1,foo=~invalid[regexp");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().position, 17U);
  EXPECT_NE(result.error().message.find("error parsing regexp: missing ]"), std::string::npos);
}

TEST(MatcherParser, RefusesWhatIsTooMuch) {
  std::string many;
  for (int i = 0; i < 1001; ++i) many += "a=1,";
  EXPECT_EQ(parsed(many), "error at 4000: more than 1000 matchers");
  EXPECT_EQ(parsed(std::string(70000, 'a')), "error at 65536: matchers are longer than 64 kB");
}

TEST(MatcherParser, OneMatcherOnly) {
  EXPECT_TRUE(parse_matcher("a=1").ok());
  EXPECT_EQ(parse_matcher("a=1,b=2").error().message, "expected 1 matcher, found 2");
  EXPECT_EQ(parse_matcher("{a=1}").error().message, "unexpected open or close brace: {a=1}");
  EXPECT_EQ(parse_matcher(" ").error().message, "no matchers");
}

TEST(MatcherParser, ListNamesTheBadElement) {
  EXPECT_EQ(parse_matcher_list({"a=1,b=2", "c=3"}).value().size(), 3U);
  const auto result = parse_matcher_list({"a=1", "x y"});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().message, "matcher 2: bad matcher format: x y");
}

TEST(Matcher, MissingLabelEqualsEmptyLabel) {
  EXPECT_TRUE(matches("a=\"\"", {}));
  EXPECT_TRUE(matches("a!=x", {}));
  EXPECT_TRUE(matches("a=~\".*\"", {}));
  EXPECT_FALSE(matches("a=~\".+\"", {}));
  EXPECT_TRUE(matches("a!~\".+\"", {{"a", ""}}));
}

TEST(Matcher, RegexIsAnchored) {
  EXPECT_FALSE(matches("a=~b", {{"a", "abc"}}));
  EXPECT_TRUE(matches("a=~\"b|abc\"", {{"a", "abc"}}));
  EXPECT_TRUE(matches("a!~b", {{"a", "abc"}}));
  EXPECT_FALSE(matches("a=~\"a.c\"", {{"a", "a\nc"}}));
}

TEST(Matcher, MatchRePrintsItsAnchors) {
  auto matcher = Matcher::from_match_re("owner", "team-(B|C)").value();
  EXPECT_EQ(matcher.text(), R"(owner=~"^(?:team-(B|C))$")");
  EXPECT_TRUE(matcher.matches({{"owner", "team-B"}}));
  EXPECT_FALSE(matcher.matches({{"owner", "team-BC"}}));
  EXPECT_FALSE(Matcher::from_match_re("owner", "a(b").ok());
}

TEST(Matcher, PrintsAndReadsBackTheSame) {
  for (const char* text : {R"({a="x\"y\\z\n"})", "{\"a b\"!=\"\xc3\xa9\"}", R"({"\x7f"=~".+"})"}) {
    const auto matchers = parse_matchers(text);
    ASSERT_TRUE(matchers.ok()) << text;
    const auto again = parse_matchers(matchers_text(*matchers));
    ASSERT_TRUE(again.ok()) << matchers_text(*matchers);
    EXPECT_EQ(*again, *matchers) << text;
  }
}

}  // namespace
}  // namespace monitoring::dispatch
