#include "monitoring/template/template.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "monitoring/template/notification_data.hpp"

namespace monitoring::templates {
namespace {

std::string render(const std::string& text, const Value& data = {}, RenderContext context = {},
                   Dialect dialect = Dialect::kPrometheus) {
  const auto parsed = Template::parse(text, dialect);
  if (!parsed.ok()) return "parse error: " + parsed.error().message;
  const auto made = parsed->render(data, context);
  return made.ok() ? *made : "error: " + made.error().message;
}

Value labels(const Labels& from) {
  return Value::map(MapType::kStrings, from);
}

Error parse_error(const std::string& text) {
  const auto parsed = Template::parse(text, Dialect::kPrometheus);
  return parsed.ok() ? Error::of("no error") : parsed.error();
}

struct Case {
  const char* text;
  const char* wanted;
};

void expect_all(std::initializer_list<Case> cases) {
  for (const auto& test : cases) EXPECT_EQ(render(test.text), test.wanted) << test.text;
}

TEST(Template, TrimsAndComments) {
  expect_all({{"a {{- 1 -}} b", "a1b"},
              {"a {{/* no */}} b", "a  b"},
              {"a {{- /* no */ -}} b", "ab"},
              {"{{ 1 }}\n{{- 2 }}", "12"},
              {"{{-3}}", "-3"},
              {"{{ -3 }}", "-3"}});
}

TEST(Template, Constants) {
  expect_all({{"{{ 0x1F }} {{ 017 }} {{ 0b101 }} {{ 1_000 }} {{ 'a' }}", "31 15 5 1000 97"},
              {"{{ 1.5 }} {{ 1e6 }} {{ 100000.0 }} {{ .5 }}", "1.5 1e+06 100000 0.5"},
              {"{{ \"a\\tb\\u00e9\\x41\" }}{{ `raw\\n` }}", "a\tb\u00e9Araw\\n"},
              {"{{ true }} {{ print nil }}", "true <nil>"}});
}

TEST(Template, ControlFlow) {
  expect_all(
      {{"{{ if 0 }}a{{ else if 1 }}b{{ else }}c{{ end }}", "b"},
       {"{{ if \"\" }}a{{ else }}c{{ end }}", "c"},
       {"{{ with 5 }}{{ . }}{{ else }}none{{ end }}", "5"},
       {"{{ with 0 }}{{ . }}{{ else }}none{{ end }}", "none"},
       {"{{ range stringSlice \"a\" \"b\" }}<{{ . }}>{{ else }}none{{ end }}", "<a><b>"},
       {"{{ range $i, $v := stringSlice \"a\" \"b\" }}{{ $i }}={{ $v }};{{ end }}", "0=a;1=b;"},
       {"{{ range stringSlice \"a\" \"b\" \"c\" }}{{ if eq . \"b\" }}{{ break }}{{ end }}"
        "{{ . }}{{ end }}",
        "a"},
       {"{{ range stringSlice \"a\" \"b\" \"c\" }}{{ if eq . \"b\" }}{{ continue }}{{ end }}"
        "{{ . }}{{ end }}",
        "ac"},
       {"{{ range args }}x{{ else }}none{{ end }}", "none"}});
}

TEST(Template, VariablesAndTheirScope) {
  expect_all({{"{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2"},
              {"{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}", "21"},
              {"{{ with $y := 3 }}{{ $y }}{{ end }}", "3"}});
  EXPECT_EQ(render("{{ with 1 }}{{ $.job }}{{ end }}", labels({{"job", "web"}})), "web");
}

TEST(Template, DefineTemplateAndBlock) {
  expect_all({{"{{ define \"x\" }}[{{ . }}]{{ end }}{{ template \"x\" 7 }}", "[7]"},
              {"{{ block \"y\" 3 }}<{{ . }}>{{ end }}{{ template \"y\" 4 }}", "<3><4>"},
              {"{{ define \"x\" }}{{ $ }}{{ end }}{{ template \"x\" \"arg\" }}", "arg"},
              {"{{ define \"x\" }}a{{ . }}{{ end }}{{ tmpl \"x\" 1 }}", "a1"},
              {"{{ define \"x\" }}a{{ . }}{{ end }}{{ tmpl \"x\" 1 | toUpper }}",
               "error: wrong type for value; expected string; got template.HTML"}});
}

TEST(Template, ALibraryCanBeCalledAndOverridden) {
  const auto library = Template::parse("{{ define \"x\" }}old{{ end }}{{ define \"y\" }}y{{ end }}",
                                       Dialect::kPrometheus)
                           .value();
  const auto text =
      Template::parse("{{ define \"x\" }}new{{ end }}{{ template \"x\" }}{{ template \"y\" }}",
                      Dialect::kPrometheus, {}, &library);
  EXPECT_EQ(text->render({}, {}).value(), "newy");
}

TEST(Template, MapsAreRangedInTheOrderOfTheirKeys) {
  EXPECT_EQ(render("{{ range $k, $v := . }}{{ $k }}={{ $v }};{{ end }}{{ . }}",
                   labels({{"b", "2"}, {"a", "1"}})),
            "a=1;b=2;map[a:1 b:2]");
}

TEST(Template, MissingKeys) {
  RenderContext context;
  const auto data = labels({{"a", "1"}});
  EXPECT_EQ(render("{{ .b }}", data, context), "");
  context.missing_key = MissingKey::kNoValue;
  EXPECT_EQ(render("{{ .b }}", data, context), "<no value>");
  context.missing_key = MissingKey::kError;
  EXPECT_EQ(render("{{ .b }}", data, context), "error: map has no entry for key \"b\"");
}

TEST(Template, ComparisonHasGosTypes) {
  expect_all(
      {{"{{ eq 1 1 }} {{ eq 1 2 3 1 }} {{ ne \"a\" \"b\" }}", "true true true"},
       {"{{ lt 1 2 }} {{ le 2 2 }} {{ gt 1.5 1.0 }} {{ ge \"b\" \"a\" }}", "true true true true"},
       {"{{ gt 1.5 1 }}", "error: error calling gt: incompatible types for comparison"},
       {"{{ lt true false }}", "error: error calling lt: invalid type for comparison"},
       {"{{ and 1 0 2 }} {{ or 0 \"\" \"x\" }} {{ not 0 }}", "0 x true"},
       {"{{ and 0 (index (stringSlice \"a\") 9) }}", "0"},
       {"{{ 1 | and 0 }}", "0"}});
}

TEST(Template, IndexLenSlice) {
  expect_all(
      {{"{{ index (stringSlice \"a\" \"b\") 1 }} {{ len \"abc\" }}", "b 3"},
       {"{{ slice \"abcdef\" 1 3 }} {{ slice (stringSlice \"a\" \"b\") 1 }}", "bc [b]"},
       {"{{ index (stringSlice \"a\") 1 }}", "error: error calling index: index out of range: 1"},
       {"{{ len 3 }}", "error: error calling len: len of type int"},
       {"{{ slice \"abc\" 2 1 }}", "error: error calling slice: invalid slice index: 2 > 1"}});
}

TEST(Template, PrintAndPrintf) {
  expect_all(
      {{"{{ print 1 2 \"a\" 3 }}", "1 2a3"},
       {"{{ println \"a\" 1 }}", "a 1\n"},
       {"{{ printf \"%d|%5d|%-5d|%05d|%x|%X|%o|%b|%c|%+d\" 7 7 7 -7 255 255 8 5 65 3 }}",
        "7|    7|7    |-0007|ff|FF|10|101|A|+3"},
       {"{{ printf \"%f|%.2f|%8.3f|%e|%g|%.3g|%v\" 1.5 1.005 3.14159 1234.5 1e21 1234.5 0.1 }}",
        "1.500000|1.00|   3.142|1.234500e+03|1e+21|1.23e+03|0.1"},
       {"{{ printf \"%s|%q|%10s|%-4s|%.2s|%x|%t|%T\" \"a\" \"b\\\"\" \"c\" \"d\" \"xyz\" \"hi\" "
        "true 1.5 }}",
        "a|\"b\\\"\"|         c|d   |xy|6869|true|float64"},
       {"{{ printf \"%d\" \"x\" }}", "%!d(string=x)"},
       {"{{ printf \"%d %d\" 1 }}", "1 %!d(MISSING)"},
       {"{{ printf \"a\" 1 \"b\" }}", "a%!(EXTRA int=1, string=b)"},
       {"{{ printf \"100%%\" }}{{ printf \"%\" }}", "100%%!(NOVERB)"},
       {"{{ printf \"%*d\" 4 7 }}", "   7"},
       {"{{ printf \"%s\" (stringSlice \"a\" \"b\") }}", "[a b]"}});
}

TEST(Template, Escapes) {
  expect_all({{"{{ html \"<a href='x'>&\" }}", "&lt;a href=&#39;x&#39;&gt;&amp;"},
              {"{{ js \"it's <b>\" }}", "it\\'s \\u003Cb\\u003E"},
              {"{{ urlquery \"a b&c=\u00e9\" }}", "a+b%26c%3D%C3%A9"}});
  RenderContext context;
  context.html = true;
  EXPECT_EQ(render("<i>{{ \"<b>\" }}{{ safeHtml \"<b>\" }}{{ .x }}</i>", {}, context),
            "<i>&lt;b&gt;<b></i>");
}

TEST(Template, RegularExpressions) {
  expect_all({{"{{ reReplaceAll \"(a)(b)?\" \"<$1|${2}|$$|$1x>\" \"ab a\" }}", "<a|b|$|> <a||$|>"},
              {"{{ reReplaceAll \"(?P<n>\\\\d+)\" \"[$n]\" \"a12b3\" }}", "a[12]b[3]"},
              {"{{ reReplaceAll \"x*\" \"-\" \"abxc\" }}", "-a-b-c-"},
              {"{{ reReplaceAll \"\" \"-\" \"\u00e9\" }}", "-\u00e9-"},
              {"{{ match \"^a+$\" \"aaa\" }}", "true"},
              {"{{ match \"(\" \"a\" }}",
               "error: error calling match: error parsing regexp: missing ): ("}});
}

/// Cancels at the n-th time that it is asked.
class CancelledLater final : public CancelToken {
 public:
  explicit CancelledLater(int after) : left_(after) {}
  bool cancelled() override { return --left_ < 0; }

 private:
  int left_;
};

TEST(Template, RegularExpressionsAreBounded) {
  const std::string nested = std::string(20000, '(') + "b" + std::string(20000, ')');
  const auto replace = [](const std::string& pattern, const std::string& by,
                          const std::string& text) {
    return render(
        "{{ reReplaceAll .pattern .by .text }}",
        Value::map(MapType::kStrings, Labels{{"pattern", pattern}, {"by", by}, {"text", text}}));
  };
  EXPECT_EQ(replace(nested, "b", "aaaa"), "aaaa") << "groups that nobody asks for cost nothing";
  EXPECT_EQ(replace(nested, "$9999", "aaaa"),
            "error: error calling reReplaceAll: regexp has too many groups for its size");
  EXPECT_EQ(replace(std::string(30000, 'a') + "b", "", std::string(200000, 'a')),
            "error: error calling reReplaceAll: regexp is too large for so long a text");
  EXPECT_EQ(replace(std::string(70000, 'a'), "", "a"),
            "error: error calling reReplaceAll: error parsing regexp: pattern too long");
}

TEST(Template, RegularExpressionsCanBeCancelled) {
  CancelledLater token(100);
  RenderContext context;
  context.cancel = &token;
  EXPECT_EQ(
      render("{{ reReplaceAll \"a\" \"b\" .text }}",
             Value::map(MapType::kStrings, Labels{{"text", std::string(1000, 'a')}}), context),
      "error: error calling reReplaceAll: rendering was cancelled");
}

TEST(Template, TextFunctions) {
  expect_all({{"{{ title \"hello big-world\" }}", "Hello Big-World"},
              {"{{ \"stra\u00dfe \u00e9\u0436\" | toUpper }}", "STRA\u00dfE \u00c9\u0416"},
              {"{{ join \", \" (stringSlice \"a\" \"b\") }}", "a, b"},
              {"{{ parseDuration \"1h30m\" }} {{ parseDuration \"1d500ms\" }}", "5400 86400.5"},
              {"{{ parseDuration \"30m1h\" }}",
               "error: error calling parseDuration: not a valid duration string: \"30m1h\""},
              {"{{ (toTime 1435065584.128).Format \"Mon Jan _2 15:04:05.00 MST 2006\" }}",
               "Tue Jun 23 13:19:44.12 UTC 2015"},
              {"{{ toDuration 5400.5 }}", "1h30m0.5s"}});
  RenderContext context;
  context.external_url = "https://mon.example/prom?x";
  EXPECT_EQ(render("{{ externalURL }} {{ pathPrefix }}", {}, context),
            "https://mon.example/prom?x /prom");
}

TEST(Template, QueriesComeFromTheCaller) {
  RenderContext context;
  context.query = [](const std::string& text) -> Result<Value> {
    if (text != "up") return Error::of("no such series: " + text);
    return Value::list(ListType::kQueryResult,
                       {query_sample({{"job", "b"}}, 2), query_sample({{"job", "a"}}, 1.5)});
  };
  EXPECT_EQ(render("{{ range query \"up\" | sortByLabel \"job\" }}{{ .Labels.job }}={{ .Value }} "
                   "{{ end }}",
                   {}, context),
            "a=1.5 b=2 ");
  EXPECT_EQ(render("{{ query \"up\" | first | label \"job\" }}", {}, context), "b");
  EXPECT_EQ(render("{{ query \"down\" }}", {}, context),
            "error: error calling query: no such series: down");
  EXPECT_EQ(render("{{ query \"up\" }}"),
            "error: error calling query: queries are not available here");
}

TEST(Template, ParseErrorsHaveTheirPlace) {
  const struct {
    const char* text;
    std::size_t position;
    const char* message;
  } cases[] = {
      {"ab {{ x }}", 6, "function \"x\" not defined"},
      {"ab {{ $x }}", 6, "undefined variable \"$x\""},
      {"{{ if 1 }}a", 11, "unexpected EOF"},
      {"{{ end }}", 3, "unexpected {{end}}"},
      {"a{{", 1, "unclosed action"},
      {"{{ (1 }}", 6, "unclosed left paren"},
      {"{{ 1 | 2 }}", 7, "non executable command in pipeline stage 2"},
      {"{{ | print }}", 3, "missing value for command"},
      {"{{ }}", 3, "missing value for command"},
      {"{{ print 1 | }}", 13, "missing value for command"},
      {"{{ \"a }}", 3, "unterminated quoted string"},
      {"{{ 08 }}", 3, "bad number syntax: \"08\""},
      {"{{/* a }}", 0, "unclosed comment"},
      {"{{ break }}", 3, "{{break}} outside {{range}}"},
      {"{{ 1 % 2 }}", 5, "unexpected character in action: '%'"},
      {"{{ if 1 }}{{ else }}{{ else }}{{ end }}", 28, "expected end; found {{else}}"},
      {"{{define \"x\"}}a{{end}}{{define \"x\"}}b{{end}}", 24,
       "template: multiple definition of template \"x\""},
  };
  for (const auto& test : cases) {
    const auto error = parse_error(test.text);
    EXPECT_EQ(error.message, test.message) << test.text;
    EXPECT_EQ(error.position, test.position) << test.text;
  }
}

TEST(Template, ExecutionErrorsHaveTheirPlace) {
  const auto parsed = Template::parse("ab {{ 1 }} {{ len 3 }}", Dialect::kPrometheus);
  const auto made = parsed->render({}, {});
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().position, 14U);
  expect_all({{"{{ template \"none\" }}", "error: template \"none\" not defined"},
              {"{{ nil }}", "error: nil is not a command"},
              {"{{ 1 2 }}", "error: can't give argument to non-function"},
              {"{{ $x := \"a\" }}{{ $x.b }}", "error: can't evaluate field b in type string"},
              {"{{ toUpper 1 }}", "error: wrong type for value; expected string; got int"},
              {"{{ toUpper }}", "error: wrong number of args for toUpper: want 1 got 0"},
              {"{{ range 5 }}{{ end }}", "error: range can't iterate over 5"}});
}

TEST(Template, WorkAndOutputAreLimited) {
  RenderContext context;
  context.limits.output_bytes = 1000;
  const std::string doubling =
      "{{ $x := \"ab\" }}{{ range stringSlice \"1\" \"2\" \"3\" \"4\" \"5\" "
      "\"6\" \"7\" \"8\" \"9\" \"10\" }}{{ $x = print $x $x }}{{ end }}";
  EXPECT_EQ(render(doubling, {}, context), "error: the text that print makes is too long");
  EXPECT_EQ(render("{{ printf \"%5000d\" 1 }}", {}, context),
            "error: the text that printf makes is too long");
  EXPECT_EQ(render("{{ define \"x\" }}{{ template \"x\" }}{{ end }}{{ template \"x\" }}"),
            "error: blocks and templates nest too deeply");
  EXPECT_EQ(
      render(std::string("{{ $x := list }}{{ define \"a\" }}{{ end }}") +
                 "{{ range slice (printf \"%100d\" 1) 0 | print | stringSlice }}{{ end }}" +
                 "{{ $l := list 1 2 3 4 5 6 7 8 9 }}{{ range $l }}{{ range $l }}{{ range $l }}"
                 "{{ $x = list $x }}{{ end }}{{ end }}{{ end }}",
             {}, {}, Dialect::kAlertmanager),
      "error: the value that list makes nests too deeply");
  context = {};
  context.limits.steps = 100;
  EXPECT_EQ(render("{{ range query \"\" }}{{ end }}{{ print 1 2 3 | len }}", {}, context),
            "error: error calling query: queries are not available here");
  EXPECT_EQ(render("{{ $l := stringSlice \"1\" \"2\" \"3\" \"4\" \"5\" \"6\" \"7\" \"8\" }}"
                   "{{ range $l }}{{ range $l }}{{ range $l }}x{{ end }}{{ end }}{{ end }}",
                   {}, context),
            "error: the template takes too many steps");
  const std::string deep(10000, '(');
  EXPECT_EQ(parse_error("{{ " + deep + " }}").message, "the template nests too deeply");
  EXPECT_EQ(parse_error(std::string(Template::kMaxSourceBytes + 1, 'x')).position,
            Template::kMaxSourceBytes);
}

TEST(Template, CanBeCancelled) {
  class Cancelled final : public CancelToken {
   public:
    bool cancelled() override { return true; }
  } cancelled;
  RenderContext context;
  context.cancel = &cancelled;
  std::string text;
  for (int i = 0; i < 100; ++i) text += "{{ 1 }}";
  EXPECT_EQ(render(text, {}, context), "error: rendering was cancelled");
}

TEST(Template, NotificationData) {
  NotifiedAlert alert;
  alert.status = "firing";
  alert.labels = {{"severity", "warning"}, {"alertname", "Disk"}, {"zone", "b"}};
  alert.annotations = {{"summary", "full"}};
  alert.starts_at = Instant{std::chrono::seconds(1435065584)};
  NotificationData data;
  data.receiver = "team";
  data.status = "firing";
  data.alerts = {alert, alert};
  data.alerts[1].status = "resolved";
  data.group_labels = {{"alertname", "Disk"}};
  data.common_labels = alert.labels;
  data.external_url = "http://am";
  const auto value = template_data(data);
  const auto shown = [&](const std::string& text) {
    return render(text, value, {}, Dialect::kAlertmanager);
  };
  EXPECT_EQ(shown("[{{ .Status | toUpper }}:{{ .Alerts.Firing | len }}] "
                  "{{ .GroupLabels.SortedPairs.Values | join \" \" }} "
                  "({{ with .CommonLabels.Remove .GroupLabels.Names }}"
                  "{{ .Values | join \" \" }}{{ end }})"),
            "[FIRING:1] Disk (warning b)");
  EXPECT_EQ(shown("{{ range .CommonLabels.SortedPairs }}{{ .Name }}={{ .Value }} {{ end }}"),
            "alertname=Disk severity=warning zone=b ");
  EXPECT_EQ(shown("{{ range .Alerts.Resolved }}{{ .Annotations.summary }}"
                  "{{ .StartsAt.Format \"15:04\" }}{{ .EndsAt.IsZero }}{{ end }}"),
            "full13:19true");
  EXPECT_EQ(shown("{{ .Annotations.summary }}"),
            "error: can't evaluate field Annotations in type *template.Data");
  EXPECT_EQ(shown("{{ .CommonLabels.missing }}"), "");
  EXPECT_EQ(shown("{{ (index .Alerts 0).Labels.zone }}"), "b");
}

TEST(Template, ValuesPrintAsInGo) {
  const auto infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(render("{{ . }}", Value(123456789.0)), "1.23456789e+08");
  EXPECT_EQ(render("{{ . }}", Value(0.00001)), "1e-05");
  EXPECT_EQ(render("{{ . }}", Value(-0.0)), "-0");
  EXPECT_EQ(render("{{ . }}", Value(-infinity)), "-Inf");
  EXPECT_EQ(render("{{ . }}", Value(std::numeric_limits<double>::quiet_NaN())), "NaN");
  EXPECT_EQ(render("{{ . }}", Value()), "<no value>");
  EXPECT_EQ(render("{{ . }}", GoTime{}), "0001-01-01 00:00:00 +0000 UTC");
  EXPECT_EQ(render("{{ . }}", query_sample({{"a", "b"}}, 2.5)), "{map[a:b] 2.5}");
}

TEST(Template, KnowsWhetherItUsesTheValue) {
  const auto uses = [](const std::string& text) {
    return Template::parse(text, Dialect::kPrometheus, {"value", "labels"}).value().uses_value();
  };
  EXPECT_TRUE(uses("{{ $value }}"));
  EXPECT_TRUE(uses("{{ .Value | humanize }}"));
  EXPECT_FALSE(uses("{{ $labels.job }} $value"));
}

}  // namespace
}  // namespace monitoring::templates
