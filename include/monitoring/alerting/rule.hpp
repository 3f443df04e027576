#pragma once
// An alert rule: what its result's rows become. Labels and annotations are templates over a row
// (template.hpp), rendered for every element of every evaluation.

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "monitoring/alerting/state_machine.hpp"
#include "monitoring/base/labels.hpp"
#include "monitoring/base/result.hpp"
#include "monitoring/template/template.hpp"

namespace monitoring::alerting {

/// One row of a rule's result: its label columns, and its value unless that is NULL.
struct Sample {
  Labels labels;
  std::optional<double> value;
};

/// The rule as its owner wrote it.
struct RuleDefinition {
  std::string name;
  std::string severity;
  Labels labels;       ///< templates
  Labels annotations;  ///< templates
};

/// What templates of rules see beside their row.
struct RuleContext {
  Labels external_labels;
  std::string external_url;
  std::function<Result<templates::Value>(const std::string&)> query;
  Instant now{};
  CancelToken* cancel = process_cancel_token();  ///< not owned
};

/// A checked rule with its templates parsed. Immutable and cheap to keep between evaluations.
class Rule {
 public:
  /// Errors: an empty or reserved name; a label named alertname or severity (find_reserved_label;
  /// SQLSTATE 42710); a name that is no label name; a template that does not parse, with its
  /// position in the template's text.
  static Result<Rule> make(const RuleDefinition& definition);

  /// The instances-to-be of one evaluation. A reserved label among a row's labels is an error of
  /// the whole rule. A template that fails while rendering is no error: its text says what went
  /// wrong, as in Prometheus, since an alert with a poor text is better than none.
  Outcome expand(const std::vector<Sample>& samples, const RuleContext& context) const;

  /// alertname, severity, and those labels of the rule that are plain text: Policy::rule_labels.
  const Labels& own_labels() const { return own_labels_; }

  /// A label or annotation that calls `query`, which has no answer without RuleContext::query;
  /// empty if there is none.
  std::string name_with_query() const;

 private:
  Rule() = default;
  using NamedTemplates = std::vector<std::pair<std::string, templates::Template>>;
  static std::optional<Error> parse_all(const Labels& texts, const char* what, NamedTemplates& out);

  NamedTemplates labels_;
  NamedTemplates annotations_;
  Labels own_labels_;
  std::string name_;
  std::string severity_;
  bool annotations_follow_value_ = false;
};

/// What own_labels() are, also of a definition that make() refuses.
Labels plain_labels(const RuleDefinition& definition);

/// alertname and severity are set by the rule itself; a label of that name is refused. Null when
/// there is none.
const std::string* find_reserved_label(const Labels& labels);
/// The error for it.
Error reserved_label_error(const std::string& name);

}  // namespace monitoring::alerting
