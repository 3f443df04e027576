#include "monitoring/promql/parser.hpp"

#include <gtest/gtest.h>

#include "monitoring/promql/functions.hpp"
#include "monitoring/promql/printer.hpp"
#include "monitoring/promql/text.hpp"

namespace monitoring::promql {
namespace {

std::string reprinted(std::string_view query, bool experimental = true) {
  const auto expr = parse(query, {experimental});
  return expr ? printed(**expr) : parse_error_text(query, expr.error());
}

Error error_of(std::string_view query) {
  const auto expr = parse(query);
  return expr ? Error::of("it parses") : expr.error();
}

TEST(PromqlParser, PrintsWhatItRead) {
  const std::pair<const char*, const char*> kCases[] = {
      {"1", "1"},
      {"-1", "-1"},
      {"0x1F", "31"},
      {"017", "15"},
      {"1_000", "1000"},
      {"1e3", "1000"},
      {"-Inf", "-Inf"},
      {"nan", "NaN"},
      {"5m", "5m"},
      {"90m", "1h30m"},
      {"\"a\\\"b\"", "\"a\\\"b\""},
      {"'it''s'", "1:5: parse error: unexpected string \"'s'\""},
      {"`raw\\n`", "\"raw\\\\n\""},
      {"foo", "foo"},
      {"foo{}", "foo"},
      {"foo{b=\"2\",a=~\"1|2\"}", "foo{a=~\"1|2\",b=\"2\"}"},
      {"{__name__=\"foo\"}", "{__name__=\"foo\"}"},
      {"{\"foo.bar\"}", "{__name__=\"foo.bar\"}"},
      {"{\"foo.bar\", \"a.b\"!~\"c\"}", "{\"a.b\"!~\"c\",__name__=\"foo.bar\"}"},
      {"foo[5m]", "foo[5m]"},
      {"foo[300]", "foo[5m]"},
      {"foo offset 1h", "foo offset 1h"},
      {"foo offset -1h", "foo offset -1h"},
      {"foo @ 1.5", "foo @ 1.500"},
      {"foo[5m] @ start() offset 1m", "foo[5m] @ start() offset 1m"},
      {"foo offset 1m @ end()", "foo @ end() offset 1m"},
      {"rate(foo[5m])[1h:1m] offset 2d", "rate(foo[5m])[1h:1m] offset 2d"},
      {"foo[1h:]", "foo[1h:]"},
      {"sum(foo)by(a,b)", "sum by (a, b) (foo)"},
      {"sum by() (foo)", "sum(foo)"},
      {"avg without() (foo)", "avg without () (foo)"},
      {"topk by(a) (3, foo)", "topk by (a) (3, foo)"},
      {"sum by (\"a.b\", bool) (foo)", "sum by (\"a.b\", bool) (foo)"},
      {"1+2*3^-4", "1 + 2 * 3 ^ -4"},
      {"-a^2", "-a ^ 2"},
      {"(1+2)*3", "(1 + 2) * 3"},
      {"a<bool b", "a < bool b"},
      {"a==on(x)group_left(y)b", "a == on (x) group_left (y) b"},
      {"a*ignoring()b", "a * b"},
      {"a and ignoring(x) b or c unless d", "a and ignoring (x) b or c unless d"},
      {"a atan2 b", "a atan2 b"},
      {"a + fill(0) b", "a + fill (0) b"},
      {"a + fill_left(1) fill_right(2) b", "a + fill_left (1) fill_right (2) b"},
      {"foo[step()+1m]", "foo[step() + 1m]"},
      {"foo offset -(2*1m)", "foo offset -(2 * 1m)"},
      {"foo[max_of(1m, range())]", "foo[max_of(1m, range())]"},
      {"label_replace(a, 'b', '$1', 'c', '(.*)')",
       "label_replace(a, \"b\", \"$1\", \"c\", \"(.*)\")"},
      {"# first\nfoo # second\n", "foo"},
      {"sum + by + offset", "sum + by + offset"},
      {"\xC3\xA9", "1:1: parse error: unexpected character: '\xC3\xA9'"},
  };
  for (const auto& [query, wanted] : kCases) {
    const std::string once = reprinted(query);
    EXPECT_EQ(once, wanted) << query;
    if (once.find("parse error") == std::string::npos) {
      EXPECT_EQ(reprinted(once), once) << query;
    }
  }
}

TEST(PromqlParser, BindsAsPrometheus) {
  // As trees: what is printed with parentheses binds in the same way.
  const auto shape = [](std::string_view query) {
    const auto expr = parse(query);
    const auto& node = as<BinaryExpr>(**expr);
    return printed(*node.left) + " | " + printed(*node.right);
  };
  EXPECT_EQ(shape("a + b * c"), "a | b * c");
  EXPECT_EQ(shape("a - b - c"), "a - b | c");
  EXPECT_EQ(shape("a ^ b ^ c"), "a | b ^ c");
  EXPECT_EQ(shape("a or b and c"), "a | b and c");
  EXPECT_EQ(shape("a == b + c"), "a | b + c");
  EXPECT_EQ(shape("-a * b"), "-a | b");
  EXPECT_EQ((*parse("-a ^ b"))->kind, Expr::Kind::kUnary);
  EXPECT_EQ((*parse("-1 ^ 2"))->kind, Expr::Kind::kUnary);
  EXPECT_EQ((*parse("-1"))->kind, Expr::Kind::kNumber);
}

TEST(PromqlParser, SaysWhatIsWrongAndWhere) {
  const std::pair<const char*, const char*> kCases[] = {
      {"", "1:1: parse error: no expression found in input"},
      {"foo bar", "1:5: parse error: unexpected identifier \"bar\""},
      {"foo{a=\"b\"", "1:10: parse error: unexpected end of input inside braces"},
      {"foo{a=b}",
       "1:7: parse error: unexpected identifier \"b\" in label matching, expected string"},
      {"foo{a=~\"(\"}", "1:5: parse error: error parsing regexp: missing ): ("},
      {"foo = 1", "1:5: parse error: unexpected \"=\""},
      {"1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier"},
      {"foo and 1",
       "1:1: parse error: set operator \"and\" not allowed in binary scalar expression"},
      {"rate(foo)",
       "1:6: parse error: expected type range vector in call to function \"rate\", got instant "
       "vector"},
      {"abs(foo[5m])",
       "1:5: parse error: expected type instant vector in call to function \"abs\", got range "
       "vector"},
      {"nope(foo)", "1:1: parse error: unknown function with name \"nope\""},
      {"first_over_time(foo[5m])", "1:1: parse error: function \"first_over_time\" is not enabled"},
      {"sum(foo) by (a) by (b)", "1:17: parse error: unexpected <by>"},
      {"topk(foo)",
       "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, "
       "got 1"},
      {"foo[5m] offset 1m offset 2m", "1:1: parse error: offset may not be set multiple times"},
      {"foo[1m1h]", "1:5: parse error: not a valid duration string: \"1m1h\""},
      {"foo[0s]", "1:5: parse error: duration must be greater than 0"},
      {"{a=\"\"}", "1:1: parse error: vector selector must contain at least one non-empty matcher"},
      {"foo\n  + \n +", "3:3: parse error: unexpected end of input"},
      {"(foo + bar)[5m]", "1:12: parse error: ranges only allowed for vector selectors"},
      {"sum(foo,)", "1:8: parse error: trailing commas not allowed in function call args"},
      {"foo smoothed", "1:1: parse error: smoothed modifier is experimental and not supported"},
      {"limitk(1, foo)",
       "1:1: parse error: limitk() is experimental and must be enabled with "
       "--enable-feature=promql-experimental-functions"},
  };
  for (const auto& [query, wanted] : kCases) {
    EXPECT_EQ(parse_error_text(query, error_of(query)), wanted) << query;
  }
}

TEST(PromqlParser, HelpsWithCommonMistakes) {
  EXPECT_NE(error_of("rate(foo)").hint.find("[5m]"), std::string::npos);
  EXPECT_NE(error_of("foo = 1").hint.find("=="), std::string::npos);
  EXPECT_NE(error_of("sum(foo) by (a) by (b)").hint.find("by"), std::string::npos);
  EXPECT_NE(error_of("foo{a=b}").hint.find("quotes"), std::string::npos);
  EXPECT_NE(error_of("1 == 1").hint.find("bool"), std::string::npos);
  EXPECT_NE(error_of("rate(foo[5m]) offset 1m").hint.find("selector"), std::string::npos);
  EXPECT_NE(error_of("holt_winters(foo[5m], 1, 1)").hint.find("double_exponential"),
            std::string::npos);
  EXPECT_NE(error_of("RATE(foo[5m])").hint.find("lower case"), std::string::npos);
}

/// Whatever is nested or chained, there is an error and no end of the stack.
TEST(PromqlParser, BoundsHeightOfTreesOfAnyKind) {
  const auto repeated = [](const std::string& text, int count) {
    std::string all;
    for (int i = 0; i < count; ++i) all += text;
    return all;
  };
  constexpr int kMany = 10'000;
  const std::string kDeep[] = {
      repeated("(", kMany) + "1" + repeated(")", kMany),
      repeated("-(", kMany) + "1" + repeated(")", kMany),
      repeated("- ", kMany) + "foo",
      repeated("abs(", kMany) + "foo" + repeated(")", kMany),
      repeated("sum(", kMany) + "foo" + repeated(")", kMany),
      "foo" + repeated(" + foo", kMany),
      "foo" + repeated(" ^ foo", kMany),
      "foo" + repeated("[1m:]", kMany),
      "foo[" + repeated("(", kMany) + "1" + repeated(")", kMany) + "]",
      "foo[1" + repeated("+1", kMany) + "]",
      "foo[" + repeated("-", kMany) + "1]",
      "foo[" + repeated("max_of(1,", kMany) + "1" + repeated(")", kMany) + "]",
      // Chains in parentheses in chains.
      repeated("(", 150) + "1" + repeated(repeated("+1", 100) + ")", 150),
  };
  for (const std::string& query : kDeep) {
    const auto expr = parse(query, {true});
    ASSERT_FALSE(expr.ok()) << query.substr(0, 20);
    EXPECT_NE(expr.error().message.find("nested too deeply"), std::string::npos)
        << query.substr(0, 20) << expr.error().message;
  }
  EXPECT_TRUE(parse("foo" + repeated(" + foo", 300)).ok());
  EXPECT_TRUE(parse(repeated("(", 100) + "1" + repeated(")", 100)).ok());
}

TEST(PromqlParser, BoundsWhatAQueryMayHave) {
  EXPECT_FALSE(parse(std::string(kMostQueryBytes + 1, ' ')).ok());
  std::string regexes = "foo{";
  for (int i = 0; i < 300; ++i) regexes += "a=~\"b.*" + std::to_string(i) + "\",";
  EXPECT_NE(error_of(regexes + "}").message.find("regular expressions"), std::string::npos);
  std::string selectors = "(a)";
  for (int i = 0; i < 12; ++i) selectors = "(" + selectors + "+" + selectors + ")";
  EXPECT_NE(error_of(selectors).message.find("selectors"), std::string::npos);
}

TEST(PromqlParser, ReadsSelectorsAlone) {
  const auto matchers = parse_selector("foo{a!=\"b\"}");
  ASSERT_TRUE(matchers.ok());
  ASSERT_EQ(matchers->size(), 2U);
  EXPECT_EQ((*matchers)[0].op(), MatchOp::kNotEqual);
  EXPECT_EQ((*matchers)[1].value(), "foo");
  EXPECT_FALSE(parse_selector("foo[5m]").ok());
  EXPECT_FALSE(parse_selector("{}").ok());
  EXPECT_FALSE(parse_selector("").ok());
}

TEST(PromqlPrinter, BreaksLongLines) {
  EXPECT_EQ(pretty(**parse("sum(foo)")), "sum(foo)");
  const std::string label(60, 'x');
  const auto expr = parse("sum by (job) (rate(foo{a=\"" + label +
                          "\"}[5m])) / on (job) group_left () (bar{b=\"" + label + "\"} + 1)");
  ASSERT_TRUE(expr.ok());
  EXPECT_EQ(pretty(**expr), "  sum by (job) (rate(foo{a=\"" + label +
                                "\"}[5m]))\n/ on (job) group_left ()\n  (bar{b=\"" + label +
                                "\"} + 1)");
  const std::string longer(100, 'y');
  const auto call =
      parse("histogram_quantile(0.9, sum by (le) (rate(foo{a=\"" + longer + "\"}[5m])))");
  ASSERT_TRUE(call.ok());
  EXPECT_EQ(pretty(**call),
            "histogram_quantile(\n  0.9,\n  sum by (le) (\n    rate(\n      foo{a=\"" + longer +
                "\"}[5m]\n    )\n  )\n)");
  EXPECT_EQ(printed(**parse(pretty(**call))), printed(**call));
}

/// The table is searched by halves, and every function can be called by its name.
TEST(PromqlFunctions, AreInOrderAndFound) {
  std::string_view before;
  for (const Function& function : all_functions()) {
    EXPECT_LT(before, function.name);
    before = function.name;
    EXPECT_EQ(find_function(function.name), &function);
  }
  EXPECT_EQ(find_function("nope"), nullptr);
  EXPECT_EQ(find_function(""), nullptr);
  EXPECT_EQ(find_function("zzz"), nullptr);
}

}  // namespace
}  // namespace monitoring::promql
