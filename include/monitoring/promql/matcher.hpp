#pragma once
// Matchers of a PromQL selector: conditions on single labels. An expression is RE2, has to match
// the whole value, and its dot matches newlines (Prometheus 3). A missing label equals an empty
// one.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/base/labels.hpp"
#include "monitoring/base/result.hpp"

namespace re2 {
class RE2;
}

namespace monitoring::promql {

/// The label that holds a series' metric name.
inline constexpr std::string_view kNameLabel = "__name__";

enum class MatchOp { kEqual, kNotEqual, kRegex, kNotRegex };

/// "=", "!=", "=~" or "!~".
std::string_view match_op_text(MatchOp op);

/// Immutable and cheap to copy: a compiled expression is shared.
class Matcher {
 public:
  /// Fails where the operator wants an RE2 expression and the value is none.
  static Result<Matcher> make(MatchOp op, std::string name, std::string value);
  static Matcher equal(std::string name, std::string value);

  MatchOp op() const { return op_; }
  const std::string& name() const { return name_; }
  const std::string& value() const { return value_; }

  bool matches(std::string_view label_value) const;
  bool matches_empty() const { return matches(""); }
  /// How large the compiled expression is, in instructions; 0 for = and !=.
  std::size_t program_size() const;

  /// Where the expression of =~ or !~ is nothing but alternatives without any special character
  /// (`GET|POST`): these, so that an index can look them up. Else empty.
  std::vector<std::string> alternatives() const;

  friend bool operator==(const Matcher& a, const Matcher& b) {
    return a.op_ == b.op_ && a.name_ == b.name_ && a.value_ == b.value_;
  }
  friend bool operator!=(const Matcher& a, const Matcher& b) { return !(a == b); }

 private:
  Matcher(MatchOp op, std::string name, std::string value)
      : op_(op), name_(std::move(name)), value_(std::move(value)) {}

  MatchOp op_;
  std::string name_;
  std::string value_;
  std::shared_ptr<const re2::RE2> regex_;
};

/// True for none.
bool matches_all(const std::vector<Matcher>& matchers, const Labels& labels);

}  // namespace monitoring::promql
