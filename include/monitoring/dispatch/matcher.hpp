#pragma once
// Matchers: the conditions on labels of routes, inhibition rules and silences.
//
// Syntax and meaning are Alertmanager's: `name=value`, `!=`, and `=~`, `!~` with an RE2 expression
// that has to match the whole value. A missing label equals an empty one. Text is read by the UTF-8
// parser of matcher/parse, with the classic one of pkg/labels as the fallback; where both accept
// and disagree, the classic reading holds (matcher/compat, "fallback mode").

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/base/labels.hpp"
#include "monitoring/base/result.hpp"

namespace re2 {
class RE2;
}

namespace monitoring::dispatch {

enum class MatchOp { kEqual, kNotEqual, kRegex, kNotRegex };

/// "=", "!=", "=~" or "!~".
std::string_view match_op_text(MatchOp op);

/// One condition on one label. Cheap to copy: a compiled expression is shared. Immutable.
class Matcher {
 public:
  /// Fails where the value is not an RE2 expression and the operator wants one; the position then
  /// counts from the start of the value.
  static Result<Matcher> make(MatchOp op, std::string name, std::string value);

  /// An entry of Alertmanager's deprecated `match_re`: prints as `name=~"^(?:value)$"`.
  static Result<Matcher> from_match_re(std::string name, std::string_view value);

  MatchOp op() const { return op_; }
  const std::string& name() const { return name_; }
  const std::string& value() const { return value_; }

  bool matches_value(std::string_view value) const;
  bool matches(const Labels& labels) const { return matches_value(labels.get(name_)); }

  /// As Alertmanager prints it: `name="value"`.
  std::string text() const;

  friend bool operator==(const Matcher& a, const Matcher& b) {
    return a.op_ == b.op_ && a.name_ == b.name_ && a.value_ == b.value_;
  }
  friend bool operator!=(const Matcher& a, const Matcher& b) { return !(a == b); }
  /// By name, value, operator: the order in which a route's key names them.
  friend bool operator<(const Matcher& a, const Matcher& b);

 private:
  Matcher(MatchOp op, std::string name, std::string value)
      : op_(op), name_(std::move(name)), value_(std::move(value)) {}

  MatchOp op_;
  std::string name_;
  std::string value_;
  std::shared_ptr<const re2::RE2> regex_;
};

using Matchers = std::vector<Matcher>;

/// Whether all matchers match; true for none.
bool matches_all(const Matchers& matchers, const Labels& labels);

/// `{a="x",b=~"y"}`, in the order given.
std::string matchers_text(const Matchers& matchers);

/// Zero or more matchers, separated by commas, in optional braces.
/// Errors carry the byte offset into `text`.
Result<Matchers> parse_matchers(std::string_view text);

/// Exactly one matcher, without braces.
Result<Matcher> parse_matcher(std::string_view text);

/// Each element as in parse_matchers, all together in order: the form of the `matchers` lists.
/// An error's message begins with the number of its element, and its position counts within it.
Result<Matchers> parse_matcher_list(const std::vector<std::string>& texts);

}  // namespace monitoring::dispatch
