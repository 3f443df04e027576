#include "monitoring/metrics/text_parser.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <sstream>

namespace monitoring::metrics {
namespace {

using Entry = TextParser::Entry;

/// One line for each entry; an error is the last.
std::string parsed(std::string_view text, ExpositionFormat format) {
  std::ostringstream out;
  TextParser parser(text, format);
  while (true) {
    const auto entry = parser.next();
    if (!entry) {
      const TextPlace place = place_of(text, entry.error().position.value_or(0));
      out << "error " << place.line << ":" << place.column << " " << entry.error().message;
      return out.str();
    }
    switch (*entry) {
      case Entry::kEnd:
        return out.str();
      case Entry::kType:
        out << "type " << parser.metric_name() << "=" << parser.content() << "\n";
        break;
      case Entry::kHelp:
        out << "help " << parser.metric_name() << "=" << parser.content() << "\n";
        break;
      case Entry::kUnit:
        out << "unit " << parser.metric_name() << "=" << parser.content() << "\n";
        break;
      case Entry::kSample:
        for (const auto& [name, value] : parser.labels()) out << name << "=" << value << " ";
        out << parser.value();
        if (parser.time_ms()) out << " @" << *parser.time_ms();
        out << "\n";
    }
  }
}

std::string prometheus(std::string_view text) {
  return parsed(text, ExpositionFormat::prometheus);
}

std::string openmetrics(std::string_view text) {
  return parsed(text, ExpositionFormat::openmetrics);
}

TEST(TextParser, TheOlderFormat) {
  EXPECT_EQ(prometheus(""), "");
  EXPECT_EQ(prometheus("a 1"), "__name__=a 1\n");
  EXPECT_EQ(prometheus("# HELP a b\\nc \\\\ \"d\"\n# \tTYPE a counter\n# note\n#\n\na{} 2 3\n"),
            "help a=b\nc \\ \"d\"\ntype a=counter\n__name__=a 2 @3\n");
  EXPECT_EQ(prometheus("a { x = \"1\" , y=\"\\\"\\\\\\n\" , } -3.5e1\t-7  \n"),
            "__name__=a x=1 y=\"\\\n -35 @-7\n");
  EXPECT_EQ(prometheus("a +Inf\nb -inf\n"), "__name__=a inf\n__name__=b -inf\n");
  EXPECT_EQ(prometheus("# HELP a\n"), "help a=\n");
}

TEST(TextParser, OpenMetrics) {
  EXPECT_EQ(openmetrics("# EOF"), "");
  EXPECT_EQ(openmetrics("# TYPE a_s counter\n# UNIT a_s s\n# HELP a_s x \\\"y\\\"\n"
                        "a_s_total{b=\"c\"} 1 2.5 # {t=\"1\"} 3 4\na_s_total 2 # {} 3\n# EOF\n"),
            "type a_s=counter\nunit a_s=s\nhelp a_s=x \"y\"\n"
            "__name__=a_s_total b=c 1 @2500\n__name__=a_s_total 2\n");
}

TEST(TextParser, NamesInQuotes) {
  EXPECT_EQ(prometheus("{\"a.b\", \"c d\"=\"e\"} 1\n"), "__name__=a.b c d=e 1\n");
  EXPECT_EQ(openmetrics("# TYPE \"a.b\" gauge\n{\"a.b\",\"c.d\"=\"e\"} 1\n# EOF\n"),
            "type a.b=gauge\n__name__=a.b c.d=e 1\n");
  EXPECT_EQ(prometheus("{\"a\",\"b\"} 1\n"), "error 1:6 label \"__name__\" is there twice");
  EXPECT_EQ(prometheus("{x=\"a\"} 1\n"), "error 1:1 the metric has no name");
  EXPECT_EQ(prometheus("{\"\"} 1\n"), "error 1:1 the metric has no name");
}

TEST(TextParser, AnErrorSaysWhere) {
  EXPECT_EQ(prometheus("a 1\nb{c=\"d\"\n"),
            "__name__=a 1\nerror 2:8 expected a comma or a closing brace");
  EXPECT_EQ(prometheus("a 1\n  b x\n"), "__name__=a 1\nerror 2:5 \"x\" is no number");
  EXPECT_EQ(prometheus("a{b=\"c\",b=\"d\"} 1"), "error 1:9 label \"b\" is there twice");
  EXPECT_EQ(openmetrics("a 1\n"), "__name__=a 1\nerror 2:1 the text does not end with # EOF");
  EXPECT_EQ(prometheus("a 1 99999999999999999999\n"),
            "error 1:5 expected a time in milliseconds, or a new line");
  EXPECT_EQ(openmetrics("a 1 1e300\n# EOF\n"),
            "error 1:4 the time of a sample is not finite, or out of range");
}

TEST(TextParser, Numbers) {
  for (const char* good : {"0", "-0", "+1", ".5", "5.", "1e3", "1E+3", "NaN", "nan", "infinity",
                           "-Infinity", "1e-400", "0000000000000000000001.2e-1"}) {
    EXPECT_EQ(prometheus(std::string("a ") + good).find("error"), std::string::npos) << good;
  }
  for (const char* bad : {"1_0", "0x1", "0x1p3", "1e400", "+-1", "++1", "--1", "nan(1)", "+nan",
                          "-nan", "1e", "e1", "1a", "true", "1,5", "-", "+", "."}) {
    EXPECT_NE(prometheus(std::string("a ") + bad).find("error"), std::string::npos) << bad;
  }
  TextParser parser("a NaN", ExpositionFormat::prometheus);
  ASSERT_TRUE(parser.next().ok());
  std::uint64_t bits;
  const double value = parser.value();
  std::memcpy(&bits, &value, sizeof bits);
  EXPECT_EQ(bits, 0x7ff8000000000001U);
}

TEST(TextParser, EveryPrefixOfATextIsReadOrRefused) {
  const std::string text =
      "# HELP a_s b\n# TYPE a_s gauge\n# UNIT a_s s\na_s{b=\"c\\\\\",d=\"e\"} 1 2 # {f=\"g\"} 1 2\n"
      "{\"x\"} 1\n# EOF\n";
  for (std::size_t size = 0; size <= text.size(); ++size) {
    prometheus(text.substr(0, size));
    openmetrics(text.substr(0, size));
  }
}

}  // namespace
}  // namespace monitoring::metrics
