#include "monitoring/dispatch/matcher.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <tuple>

#include "dispatch/text.hpp"

namespace monitoring::dispatch {

namespace {

constexpr std::string_view kAnchor = "^(?:";

/// Where in the value RE2 found the trouble. It names the offending piece, not its place.
std::size_t regex_error_position(const std::string& value, const std::string& piece) {
  const std::string_view wanted = piece;
  // The piece may run into the anchor that was put behind the value.
  for (std::size_t length = wanted.size(); length > 0; --length) {
    const std::size_t at = value.rfind(wanted.substr(0, length));
    if (at != std::string::npos) return at;
  }
  return value.size();
}

/// For a compiled pattern: there may be thousands of routes and silences in memory.
constexpr std::int64_t kMaxRegexBytes = 1 << 20;

Result<std::shared_ptr<const re2::RE2>> compile(const std::string& value) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMaxRegexBytes);
  auto regex = std::make_shared<const re2::RE2>(std::string(kAnchor) + value + ")$", options);
  if (regex->ok()) return std::shared_ptr<const re2::RE2>(std::move(regex));
  return Error::at(regex_error_position(value, regex->error_arg()),
                   "error parsing regexp: " + regex->error(),
                   "Regular expressions use the RE2 syntax.");
}

/// The escaping of OpenMetrics: backslash, line feed and double quote.
std::string escape_value(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
  return out;
}

bool needs_quotes(std::string_view name) {
  for (std::size_t at = 0; at < name.size();) {
    const auto rune = decode_rune(name, at);
    if (!rune || is_space(rune->code)) return true;
    if (rune->code < 0x80 && std::string_view("{}!=~,\\\"'`").find(name[at]) != name.npos) {
      return true;
    }
    at += rune->size;
  }
  return false;
}

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
  auto regex = compile(matcher.value_);
  if (!regex) return regex.error();
  matcher.regex_ = std::move(regex).value();
  return matcher;
}

Result<Matcher> Matcher::from_match_re(std::string name, std::string_view value) {
  return make(MatchOp::kRegex, std::move(name), std::string(kAnchor) + std::string(value) + ")$");
}

bool Matcher::matches_value(std::string_view value) const {
  const auto regex_matches = [&] {
    return re2::RE2::FullMatch(re2::StringPiece(value.data(), value.size()), *regex_);
  };
  switch (op_) {
    case MatchOp::kEqual:
      return value == value_;
    case MatchOp::kNotEqual:
      return value != value_;
    case MatchOp::kRegex:
      return regex_matches();
    case MatchOp::kNotRegex:
      return !regex_matches();
  }
  return false;
}

std::string Matcher::text() const {
  const std::string op(match_op_text(op_));
  if (needs_quotes(name_)) return go_quote(name_) + op + go_quote(value_);
  return name_ + op + '"' + escape_value(value_) + '"';
}

bool operator<(const Matcher& a, const Matcher& b) {
  return std::tie(a.name_, a.value_, a.op_) < std::tie(b.name_, b.value_, b.op_);
}

bool matches_all(const Matchers& matchers, const Labels& labels) {
  return std::all_of(matchers.begin(), matchers.end(),
                     [&labels](const Matcher& matcher) { return matcher.matches(labels); });
}

std::string matchers_text(const Matchers& matchers) {
  std::string out = "{";
  for (const Matcher& matcher : matchers) {
    if (out.size() > 1) out += ',';
    out += matcher.text();
  }
  return out + '}';
}

}  // namespace monitoring::dispatch
