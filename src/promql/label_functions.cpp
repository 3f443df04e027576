// label_replace and label_join.

#include <re2/re2.h>

#include <algorithm>
#include <memory>

#include "monitoring/promql/functions.hpp"
#include "monitoring/promql/text.hpp"
#include "promql/mapped.hpp"
#include "promql/vector_functions.hpp"

namespace monitoring::promql {

namespace {

const std::string& string_of(const Expr& expr) {
  return as<StringLiteral>(unwrapped(expr)).value;
}

bool may_name_a_label(std::string_view name) {
  return !name.empty() && is_valid_utf8(name);
}

void set_label(StepSeries& series, const std::string& name, std::string value) {
  if (value.empty()) {
    series.labels.erase(name);
  } else {
    series.labels.set(name, std::move(value));
  }
  // A name that was made is not one that a function has made meaningless.
  if (name == kNameLabel) series.drop_name = false;
}

/// A replacement as Go's regexp.Expand reads it: texts and groups in turn.
class Template {
 public:
  Template(std::string_view text, const re2::RE2& regex) {
    const auto& names = regex.NamedCapturingGroups();
    while (!text.empty()) {
      const std::size_t dollar = text.find('$');
      add_text(text.substr(0, dollar));
      if (dollar == std::string_view::npos) return;
      text.remove_prefix(dollar + 1);
      if (!text.empty() && text[0] == '$') {
        add_text("$");
        text.remove_prefix(1);
        continue;
      }
      const std::string_view name = take_name(text);
      if (name.empty()) {
        add_text("$");
      } else {
        parts_.push_back({{}, group_of(name, names)});
      }
    }
  }

  std::string filled(const std::vector<re2::StringPiece>& groups) const {
    std::string text;
    for (const Part& part : parts_) {
      if (part.group < 0) {
        text += part.text;
      } else if (static_cast<std::size_t>(part.group) < groups.size()) {
        const re2::StringPiece& group = groups[static_cast<std::size_t>(part.group)];
        text.append(group.data() == nullptr ? "" : group.data(), group.size());
      }
    }
    return text;
  }

 private:
  static constexpr int kNoSuchGroup = 1 << 20;
  struct Part {
    std::string text;
    int group = -1;
  };

  void add_text(std::string_view text) {
    if (!text.empty()) parts_.push_back({std::string(text), -1});
  }
  static bool is_of_names(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  }
  /// Behind a dollar: `name` or `{name}`. Empty, and nothing taken, where there is none.
  static std::string_view take_name(std::string_view& text) {
    const bool braced = !text.empty() && text[0] == '{';
    std::size_t end = braced ? 1 : 0;
    const std::size_t start = end;
    while (end < text.size() && is_of_names(text[end])) ++end;
    if (end == start || (braced && (end == text.size() || text[end] != '}'))) return {};
    const std::string_view name = text.substr(start, end - start);
    text.remove_prefix(braced ? end + 1 : end);
    return name;
  }
  static int group_of(std::string_view name, const std::map<std::string, int>& names) {
    const bool is_number =
        std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (is_number) return name.size() > 6 ? kNoSuchGroup : std::stoi(std::string(name));
    const auto at = names.find(std::string(name));
    return at == names.end() ? kNoSuchGroup : at->second;
  }

  std::vector<Part> parts_;
};

class Replacer {
 public:
  Replacer(const std::string& regex, std::string target, std::string_view replacement,
           std::string source)
      : regex_(std::make_shared<re2::RE2>(regex, options())),
        target_(std::move(target)),
        source_(std::move(source)),
        template_(replacement, *regex_) {}

  bool ok() const { return regex_->ok(); }

  void operator()(StepSeries& series) const {
    const std::string value(series.labels.get(source_));
    std::vector<re2::StringPiece> groups(
        static_cast<std::size_t>(regex_->NumberOfCapturingGroups() + 1));
    if (!regex_->Match(value, 0, value.size(), re2::RE2::ANCHOR_BOTH, groups.data(),
                       static_cast<int>(groups.size()))) {
      return;
    }
    set_label(series, target_, template_.filled(groups));
  }

 private:
  static re2::RE2::Options options() {
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_dot_nl(true);
    return options;
  }

  std::shared_ptr<const re2::RE2> regex_;
  std::string target_;
  std::string source_;
  Template template_;
};

StreamPtr open_replace(const CallExpr& node, const Steps& steps, Evaluation& evaluation) {
  const std::string& target = string_of(*node.arguments[1]);
  const std::string& regex = string_of(*node.arguments[4]);
  Replacer replacer(regex, target, string_of(*node.arguments[2]), string_of(*node.arguments[3]));
  if (!replacer.ok()) {
    evaluation.fail_at(node.arguments[4]->span,
                       "invalid regular expression in label_replace(): " + regex);
  } else if (!may_name_a_label(target)) {
    evaluation.fail_at(node.arguments[1]->span,
                       "invalid destination label name in label_replace(): " + target);
  }
  return mapped(open_vector(*node.arguments[0], steps, evaluation), evaluation,
                std::move(replacer));
}

StreamPtr open_join(const CallExpr& node, const Steps& steps, Evaluation& evaluation) {
  const std::string& target = string_of(*node.arguments[1]);
  if (!may_name_a_label(target)) {
    evaluation.fail_at(node.arguments[1]->span,
                       "invalid destination label name in label_join(): " + target);
  }
  std::vector<std::string> sources;
  for (std::size_t i = 3; i < node.arguments.size(); ++i) {
    sources.push_back(string_of(*node.arguments[i]));
    if (may_name_a_label(sources.back())) continue;
    evaluation.fail_at(node.arguments[i]->span,
                       "invalid source label name in label_join(): " + sources.back());
  }
  const std::string& separator = string_of(*node.arguments[2]);
  return mapped(open_vector(*node.arguments[0], steps, evaluation), evaluation,
                [=](StepSeries& series) {
                  std::string joined;
                  for (std::size_t i = 0; i < sources.size(); ++i) {
                    if (i > 0) joined += separator;
                    joined += series.labels.get(sources[i]);
                  }
                  set_label(series, target, std::move(joined));
                });
}

}  // namespace

StreamPtr open_label_function(const CallExpr& node, const Steps& steps, Evaluation& evaluation) {
  const FunctionId id = node.function->id;
  if (id == FunctionId::kLabelReplace) {
    return unique(open_replace(node, steps, evaluation), evaluation, steps);
  }
  if (id == FunctionId::kLabelJoin) {
    return unique(open_join(node, steps, evaluation), evaluation, steps);
  }
  return nullptr;
}

}  // namespace monitoring::promql
