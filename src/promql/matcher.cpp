#include "monitoring/promql/matcher.hpp"

#include <re2/re2.h>

#include <algorithm>

namespace monitoring::promql {

namespace {

/// For the program and the states that matching keeps.
constexpr std::int64_t kMostRegexBytes = 2 << 20;

}  // namespace

std::string_view match_op_text(MatchOp op) {
  switch (op) {
    case MatchOp::kEqual:
      return "=";
    case MatchOp::kNotEqual:
      return "!=";
    case MatchOp::kRegex:
      return "=~";
    case MatchOp::kNotRegex:
      return "!~";
  }
  return "=";
}

Result<Matcher> Matcher::make(MatchOp op, std::string name, std::string value) {
  Matcher matcher(op, std::move(name), std::move(value));
  if (op == MatchOp::kEqual || op == MatchOp::kNotEqual) return matcher;
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_dot_nl(true);
  options.set_max_mem(kMostRegexBytes);
  auto regex = std::make_shared<const re2::RE2>(matcher.value_, options);
  if (!regex->ok()) {
    return Error::of("error parsing regexp: " + regex->error(),
                     "Regular expressions are RE2's, without look-around and back references.");
  }
  matcher.regex_ = std::move(regex);
  return matcher;
}

Matcher Matcher::equal(std::string name, std::string value) {
  return {MatchOp::kEqual, std::move(name), std::move(value)};
}

bool Matcher::matches(std::string_view label_value) const {
  switch (op_) {
    case MatchOp::kEqual:
      return label_value == value_;
    case MatchOp::kNotEqual:
      return label_value != value_;
    case MatchOp::kRegex:
      return re2::RE2::FullMatch(label_value, *regex_);
    case MatchOp::kNotRegex:
      return !re2::RE2::FullMatch(label_value, *regex_);
  }
  return false;
}

std::size_t Matcher::program_size() const {
  return regex_ == nullptr ? 0 : static_cast<std::size_t>(regex_->ProgramSize());
}

std::vector<std::string> Matcher::alternatives() const {
  constexpr std::string_view kSpecial = "\\.+*?()[]{}^$";
  if (regex_ == nullptr || value_.find_first_of(kSpecial) != std::string::npos) return {};
  std::vector<std::string> found(1);
  for (const char c : value_) {
    if (c == '|') {
      found.emplace_back();
    } else {
      found.back().push_back(c);
    }
  }
  return found;
}

bool matches_all(const std::vector<Matcher>& matchers, const Labels& labels) {
  return std::all_of(matchers.begin(), matchers.end(), [&](const Matcher& matcher) {
    return matcher.matches(labels.get(matcher.name()));
  });
}

}  // namespace monitoring::promql
