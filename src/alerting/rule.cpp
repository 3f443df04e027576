#include "monitoring/alerting/rule.hpp"

#include <algorithm>
#include <limits>

namespace monitoring::alerting {

namespace {

constexpr char kAlertName[] = "alertname";
constexpr char kSeverity[] = "severity";
constexpr char kMetricName[] = "__name__";
/// The type of a rule's data as Go shows it.
constexpr char kRuleDataType[] =
    "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; "
    "Value float64 }";

/// The variables that Prometheus defines before the text of every rule's template.
const std::vector<std::string> kVariables{"labels", "externalLabels", "externalURL", "value"};

bool is_plain_text(const std::string& text) {
  return text.find("{{") == std::string::npos;
}

/// What a template of the rule is rendered with, for one sample.
struct SampleView {
  templates::Value data;
  templates::RenderContext context;
};

SampleView view_of(const Sample& sample, const RuleContext& rule) {
  const auto labels = templates::Value::map(templates::MapType::kStrings, sample.labels);
  const auto external_labels =
      templates::Value::map(templates::MapType::kStrings, rule.external_labels);
  const double value = sample.value.value_or(std::numeric_limits<double>::quiet_NaN());
  SampleView view;
  view.data = templates::Value::object(kRuleDataType, {{"Labels", labels},
                                                       {"ExternalLabels", external_labels},
                                                       {"ExternalURL", rule.external_url},
                                                       {"Value", value}});
  view.context.variables = {{"labels", labels},
                            {"externalLabels", external_labels},
                            {"externalURL", rule.external_url},
                            {"value", value}};
  view.context.query = rule.query;
  view.context.external_url = rule.external_url;
  view.context.now = rule.now;
  view.context.cancel = rule.cancel;
  return view;
}

std::string render(const templates::Template& text, const SampleView& view) {
  auto made = text.render(view.data, view.context);
  if (made.ok()) return std::move(made).value();
  return "<error expanding template: " + made.error().message + ">";
}

}  // namespace

const std::string* find_reserved_label(const Labels& labels) {
  for (const auto& [name, value] : labels) {
    if (name == kAlertName || name == kSeverity) return &name;
  }
  return nullptr;
}

Error reserved_label_error(const std::string& name) {
  return Error::of("label \"" + name + "\" is set by the alert rule itself",
                   "Give the column or label another name.");
}

Labels plain_labels(const RuleDefinition& definition) {
  Labels labels;
  for (const auto& [name, text] : definition.labels) {
    if (is_plain_text(text) && !text.empty()) labels.set(name, text);
  }
  labels.set(kAlertName, definition.name);
  labels.set(kSeverity, definition.severity);
  return labels;
}

std::optional<Error> Rule::parse_all(const Labels& texts, const char* what, NamedTemplates& out) {
  for (const auto& [name, text] : texts) {
    if (!is_label_name(name)) {
      return Error::of("\"" + name + "\" is not a valid " + what + " name",
                       "Use letters, digits and underscores, and no digit first.");
    }
    auto parsed = templates::Template::parse(text, templates::Dialect::kPrometheus, kVariables);
    if (!parsed.ok()) {
      auto error = parsed.error();
      error.message = std::string(what) + " \"" + name + "\": " + error.message;
      return error;
    }
    out.emplace_back(name, std::move(parsed).value());
  }
  return std::nullopt;
}

Result<Rule> Rule::make(const RuleDefinition& definition) {
  if (definition.name.empty()) return Error::of("an alert rule needs a name");
  if (definition.name == kEvaluationFailedAlert || definition.name == kNotificationFailedAlert) {
    return Error::of("the name \"" + definition.name + "\" is reserved",
                     "It is the alert that failing rules or receivers raise.");
  }
  if (const auto* name = find_reserved_label(definition.labels)) return reserved_label_error(*name);
  Rule rule;
  rule.name_ = definition.name;
  rule.severity_ = definition.severity;
  if (auto error = parse_all(definition.labels, "label", rule.labels_)) return *error;
  if (auto error = parse_all(definition.annotations, "annotation", rule.annotations_)) {
    return *error;
  }
  rule.own_labels_ = plain_labels(definition);
  rule.annotations_follow_value_ =
      std::any_of(rule.annotations_.begin(), rule.annotations_.end(),
                  [](const auto& named) { return named.second.uses_value(); });
  return rule;
}

std::string Rule::name_with_query() const {
  for (const NamedTemplates* texts : {&labels_, &annotations_}) {
    for (const auto& [name, text] : *texts) {
      if (text.uses_query()) return name;
    }
  }
  return {};
}

Outcome Rule::expand(const std::vector<Sample>& samples, const RuleContext& context) const {
  std::vector<Element> elements;
  elements.reserve(samples.size());
  for (const auto& sample : samples) {
    if (context.cancel->cancelled()) return Error::of("the evaluation was cancelled");
    if (const auto* name = find_reserved_label(sample.labels)) return reserved_label_error(*name);
    const auto view = view_of(sample, context);
    Element element;
    element.value = sample.value;
    element.annotations_follow_value = annotations_follow_value_;
    element.labels = sample.labels;
    element.labels.erase(kMetricName);
    for (const auto& [name, text] : labels_) {
      // An empty label is none: it would be another identity that matches the same.
      auto value = render(text, view);
      if (value.empty()) {
        element.labels.erase(name);
      } else {
        element.labels.set(name, std::move(value));
      }
    }
    element.labels.set(kAlertName, name_);
    element.labels.set(kSeverity, severity_);
    for (const auto& [name, text] : annotations_) {
      element.annotations.set(name, render(text, view));
    }
    elements.push_back(std::move(element));
  }
  return elements;
}

}  // namespace monitoring::alerting
