#include "monitoring/alerting/rule.hpp"

#include <gtest/gtest.h>

namespace monitoring::alerting {
namespace {

RuleDefinition definition() {
  RuleDefinition rule;
  rule.name = "HighErrorRate";
  rule.severity = "critical";
  rule.labels = {{"team", "api"}, {"where", "{{ $labels.job }}/{{ .Labels.instance }}"}};
  rule.annotations = {{"summary", "{{ $labels.job }}: {{ $value | humanizePercentage }} fail"}};
  return rule;
}

Rule made(const RuleDefinition& from) {
  return Rule::make(from).value();
}

TEST(Rule, RendersLabelsAndAnnotationsForEveryRow) {
  const auto outcome = made(definition())
                           .expand({{{{"__name__", "errors"}, {"job", "web"}}, 0.25},
                                    {{{"job", "db"}, {"team", "from the row"}}, 0.5}},
                                   {});
  ASSERT_TRUE(outcome.ok());
  const auto& elements = *outcome;
  ASSERT_EQ(elements.size(), 2U);
  EXPECT_EQ(elements[0].labels, (Labels{{"alertname", "HighErrorRate"},
                                        {"job", "web"},
                                        {"severity", "critical"},
                                        {"team", "api"},
                                        {"where", "web/"}}));
  EXPECT_EQ(elements[0].annotations.get("summary"), "web: 25% fail");
  EXPECT_EQ(elements[1].labels.get("team"), "api") << "a label of the rule wins over a column";
  EXPECT_TRUE(elements[0].annotations_follow_value);
}

TEST(Rule, KnowsWhenAnnotationsDoNotFollowTheValue) {
  auto rule = definition();
  rule.annotations = {{"summary", "{{ $labels.job }} fails"}};
  EXPECT_FALSE(
      made(rule).expand({{{{"job", "web"}}, 1.0}}, {}).value()[0].annotations_follow_value);
}

TEST(Rule, ExpansionCanBeCancelled) {
  class Cancelled final : public CancelToken {
    bool cancelled() override { return true; }
  } token;
  RuleContext context;
  context.cancel = &token;
  const auto outcome = made(definition()).expand({{{{"job", "web"}}, 0.25}}, context);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().message, "the evaluation was cancelled");
}

TEST(Rule, RefusesAlertnameAndSeverityAsLabelOrColumn) {
  for (const char* name : {"alertname", "severity"}) {
    auto rule = definition();
    rule.labels.set(name, "mine");
    const auto refused = Rule::make(rule);
    ASSERT_FALSE(refused.ok());
    EXPECT_NE(refused.error().message.find(name), std::string::npos);
    const auto outcome = made(definition()).expand({{{{name, "mine"}}, 1.0}}, {});
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().message, refused.error().message);
  }
}

TEST(Rule, RefusesBadNamesAndTemplates) {
  auto reserved = definition();
  reserved.name = kEvaluationFailedAlert;
  EXPECT_FALSE(Rule::make(reserved).ok());
  auto unnamed = definition();
  unnamed.name.clear();
  EXPECT_FALSE(Rule::make(unnamed).ok());
  auto label = definition();
  label.labels.set("not a name", "x");
  EXPECT_FALSE(Rule::make(label).ok());
  auto broken = definition();
  broken.annotations.set("summary", "ok {{ $vlue }}");
  const auto refused = Rule::make(broken);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().position, 6U);
  EXPECT_EQ(refused.error().message, "annotation \"summary\": undefined variable \"$vlue\"");
}

TEST(Rule, ATemplateThatFailsSaysSoInItsText) {
  auto rule = definition();
  rule.annotations = {{"summary", "{{ query \"up\" }}"}};
  const auto outcome = made(rule).expand({{{{"job", "web"}}, 1.0}}, {});
  EXPECT_EQ(outcome.value()[0].annotations.get("summary"),
            "<error expanding template: error calling query: queries are not available here>");
}

TEST(Rule, SaysWhichTextNeedsQueries) {
  auto rule = definition();
  rule.annotations = {{"query", "query {{ $value }}"}, {"summary", "{{ $value }}"}};
  EXPECT_EQ(made(rule).name_with_query(), "");
  rule.annotations.set("runbook", "{{ if $value }}{{ query \"up\" | first | value }}{{ end }}");
  EXPECT_EQ(made(rule).name_with_query(), "runbook");
  rule.labels = {{"zone", "{{ with query \"up\" }}x{{ end }}"}};
  EXPECT_EQ(made(rule).name_with_query(), "zone");
}

TEST(Rule, ALabelThatRendersEmptyIsLeftOut) {
  auto rule = definition();
  rule.labels = {{"zone", "{{ $labels.zone }}"}};
  const auto outcome = made(rule).expand({{{{"job", "web"}}, 1.0}}, {});
  EXPECT_FALSE(outcome.value()[0].labels.has("zone"));
}

TEST(Rule, ANullValueIsNaNInTemplatesAndStaysNull) {
  auto rule = definition();
  rule.annotations = {{"summary", "{{ $value }}"}};
  const auto outcome = made(rule).expand({{{{"job", "web"}}, std::nullopt}}, {});
  EXPECT_FALSE(outcome.value()[0].value);
  EXPECT_EQ(outcome.value()[0].annotations.get("summary"), "NaN");
}

TEST(Rule, OwnLabelsAreThoseThatNeedNoRow) {
  EXPECT_EQ(made(definition()).own_labels(),
            (Labels{{"alertname", "HighErrorRate"}, {"severity", "critical"}, {"team", "api"}}));
}

}  // namespace
}  // namespace monitoring::alerting
