// Texts that the real programs make, hand-copied: promtool (Prometheus 2.42) and amtool
// (Alertmanager 0.25), both built with Go 1.19.

#include <gtest/gtest.h>

#include "monitoring/template/template.hpp"

namespace monitoring::templates {
namespace {

struct Case {
  const char* text;
  const char* wanted;
};

std::string render(const std::string& text, Dialect dialect) {
  const auto parsed = Template::parse(text, dialect);
  if (!parsed.ok()) return "parse error: " + parsed.error().message;
  const auto made = parsed->render({}, {});
  return made.ok() ? *made : "error: " + made.error().message;
}

constexpr Case kOfPromtool[] = {
    {R"({{ printf "%[2]s %[1]s" "a" "b" }})", R"(b a)"},
    {R"({{ printf "%[3]d" 1 }})", R"(%!d(BADINDEX))"},
    {R"({{ printf "%[1]d %d %[1]v" 7 8 }})", R"(7 8 7)"},
    {R"({{ printf "%[x]d|%.[2]*f" 3 2 1.5 }})", R"(%!d(BADINDEX)|1.50)"},
    {R"({{ printf "%[2]*d" 3 6 }})", R"(%!d(MISSING))"},
    {R"({{ printf "%q|%+q|%#q|%#U|%U" 233 233 65 233 233 }})",
     R"('é'|'\u00e9'|'A'|U+00E9 'é'|U+00E9)"},
    {R"({{ printf "%+v|%+d|% d|%+.2f" 3 4 5 1.5 }})", R"(3|+4| 5|+1.50)"},
    {R"({{ printf "%x|%X|%.3x|%b|%#x" 1.5 -2.75 3.14159 1.5 255 }})",
     R"(0x1.8p+00|-0X1.6P+01|0x1.922p+01|6755399441055744p-52|0xff)"},
    {R"({{ printf "%6.2d|%-6d|%06d|%+06d|%.0d" 7 7 7 7 0 }})", R"(    07|7     |000007|+00007|)"},
    {R"({{ printf "%05s|%-5s|%.2s|%5.1q" "ab" "ab" "abc" "xy" }})", R"(000ab|ab   |ab|  "x")"},
    {R"({{ printf "%x|% x|%#x|%# X|%.2x" "hi" "hi" "hi" "hi" "hello" }})",
     R"(6869|68 69|0x6869|0X68 0X69|6865)"},
    {R"({{ printf "%#o|%O|%#b|%c" 8 8 5 9731 }})", R"(010|0o10|0b101|☃)"},
    {R"({{ printf "%g|%G|%e|%.3g|%#g|%#.3g" 1e21 1e-7 123456.789 1234.5 1.0 2.0 }})",
     R"(1e+21|1E-07|1.234568e+05|1.23e+03|1.00000|2.00)"},
    {R"({{ printf "%v %v %v" 1e6 123456.0 1e20 }})", R"(1e+06 123456 1e+20)"},
    {R"({{ printf "%t|%5t|%d" true false true }})", R"(true|false|%!d(bool=true))"},
    {R"({{ printf "%*d|%-*d|%.*f" 5 42 4 7 2 3.14159 }})", R"(   42|7   |3.14)"},
    {R"({{ printf "%d %s" "x" 5 }})", R"(%!d(string=x) %!s(int=5))"},
    {R"({{ printf "%!|%z|%" 1 2 }})", R"(%!!(int=1)|%!z(int=2)|%!(NOVERB))"},
    {R"({{ printf "%d" 1 2 }})", R"(1%!(EXTRA int=2))"},
    {R"({{ printf "%5%|%-5%" }})", R"(%|%)"},
    {R"({{ printf "%#v|%#v|%T" "a\"b" 1.0 "x" }})", R"("a\"b"|1|string)"},
    {R"({{ printf "%q" "a\tb\u00a0\u200b\U0001F600\x07" }})", R"("a\tb\u00a0\u200b😀\a")"},
    {R"({{ printf "%+q" "é\U0001F600" }})", R"("\u00e9\U0001f600")"},
    {R"({{ printf "%08.3f|%+08.2f|% 8.1f" 3.14159 2.5 1.0 }})", R"(0003.142|+0002.50|     1.0)"},
    {R"({{ title "web.example.com a-b it's éa ǆx" }})", R"(Web.Example.Com A-B It'S Éa ǅx)"},
    {R"({{ toUpper "ÿß ǆ ς" }}|{{ toLower "ŸÀ Ω" }})", R"(Ÿß Ǆ Σ|ÿà ω)"},
    {R"({{ len (printf "%10s" "é") }})", R"(11)"},
    {R"(a {{- /* x */ -}} b{{/* y */ -}}{{ "c" }} d)", R"(abc d)"},
    {R"({{ "a" -}}{{/* y */}} b)", R"(a b)"},
    {R"({{ printf "%-08d|%0-8d|" 5 5 }})", R"(5       |5       |)"},
    {R"({{ printf "%x" 255.0 }}|{{ printf "%b" 0.1 }}|{{ printf "%x" 0.0 }}|{{ printf "%.0x" 1.5 }})",
     R"(0x1.fep+07|7205759403792794p-56|0x0p+00|0x1p+01)"},
};

TEST(GoFormat, IsWhatPromtoolMakes) {
  for (const Case& test : kOfPromtool) {
    EXPECT_EQ(render(test.text, Dialect::kPrometheus), test.wanted) << test.text;
  }
}

constexpr Case kTitles[] = {
    {"web.example.com", "Web.example.com"},
    {"1h foo", "1H Foo"},
    {"it's", "It's"},
    {"a-b c_d", "A-B C_d"},
    {"HELLO wORLD", "Hello World"},
    {"12ab 3CD", "12Ab 3Cd"},
    {"a,b;c", "A,B;C"},
    {"a:b", "A:b"},
    {"ÄÖ üb", "Äö Üb"},
    {"ß", "Ss"},
    {"ǆabc", "ǅabc"},
    {"ﬁne", "Fine"},
    {"a.1b", "A.1b"},
    {"1.a", "1.A"},
    {"a..b", "A..B"},
    {"'quoted'", "'Quoted'"},
    {"don’t x", "Don’t X"},
    {"snake_case-and.dots", "Snake_case-And.dots"},
    {"日本語 abc", "日本語 Abc"},
    {"_x", "_X"},
    {"l''x", "L''X"},
    {"λόγος ΣΑΣ", "Λόγος Σας"},
};

TEST(GoFormat, TitlesAreAlertmanagers) {
  for (const Case& test : kTitles) {
    const std::string text = "{{ title \"" + std::string(test.text) + "\" }}";
    EXPECT_EQ(render(text, Dialect::kAlertmanager), test.wanted) << test.text;
  }
}

TEST(GoFormat, CommentsStandAlone) {
  EXPECT_EQ(render("a {{- /* x */}} b", Dialect::kAlertmanager), "a b");
  EXPECT_NE(render("a {{ /* x */ }} b", Dialect::kAlertmanager).find("parse error"),
            std::string::npos);
  EXPECT_NE(render("a {{ /* x */ -}} b", Dialect::kAlertmanager).find("parse error"),
            std::string::npos);
}

TEST(GoFormat, Base64HasTheAlphabetForUrls) {
  EXPECT_EQ(render("{{ base64encode \"~~~???\" }}", Dialect::kAlertmanager), "fn5-Pz8_");
  EXPECT_EQ(render("{{ base64decode \"fn5-Pz8_\" }}", Dialect::kAlertmanager), "~~~???");
}

TEST(GoFormat, AnEmptyListIsAList) {
  EXPECT_EQ(render("{{ len (stringSlice) }}", Dialect::kAlertmanager), "0");
}

TEST(GoFormat, WidthsDoNotFillMemory) {
  EXPECT_NE(
      render("{{ printf \"%999999d%999999d%999999d\" 1 2 3 }}", Dialect::kPrometheus).find("error"),
      std::string::npos);
  EXPECT_EQ(render("{{ printf \"%100000001d\" 1 }}", Dialect::kPrometheus),
            "%!(NOVERB)%!(EXTRA int=1)");
}

}  // namespace
}  // namespace monitoring::templates
