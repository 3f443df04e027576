// The two parsers of matchers: Alertmanager's UTF-8 grammar (matcher/parse) and its classic one
// (pkg/labels). Errors are the classic parser's, which accepts almost anything that the other does.

#include <algorithm>
#include <optional>

#include "dispatch/text.hpp"
#include "monitoring/dispatch/matcher.hpp"

namespace monitoring::dispatch {

namespace {

constexpr std::string_view kReserved = "{}!=~,\\\"'`";
/// A bound on what one silence or route can make us compile.
constexpr std::size_t kMaxMatchers = 1000;
constexpr std::size_t kMaxTextBytes = 64UL * 1024;

Error unescaped_quote(std::size_t position, std::string_view value) {
  return Error::at(position, "matcher value contains unescaped double quote: " + std::string(value),
                   "Put the value in double quotes and write \\\" for a quote inside it.");
}

Error too_many_matchers(std::size_t position) {
  return Error::at(position, "more than " + std::to_string(kMaxMatchers) + " matchers");
}

// ---------------------------------------------------------------------------------------------
// The UTF-8 grammar: [{] [matcher {, matcher} [,]] [}], names and values quoted or without reserved
// characters. Each step answers nothing where the input does not fit.

class Utf8Parser {
 public:
  explicit Utf8Parser(std::string_view text) : text_(text) {}

  std::optional<Matchers> parse() {
    const bool braces = accept("{");
    Matchers matchers;
    while (!at_end() && peek() != '}') {
      auto matcher = parse_one();
      if (!matcher || matchers.size() == kMaxMatchers) return std::nullopt;
      matchers.push_back(std::move(*matcher));
      if (!accept(",")) break;
    }
    if (braces != accept("}")) return std::nullopt;
    if (!at_end()) return std::nullopt;
    return matchers;
  }

 private:
  std::optional<Matcher> parse_one() {
    auto name = parse_word();
    if (!name) return std::nullopt;
    const auto op = parse_operator();
    if (!op) return std::nullopt;
    auto value = parse_word();
    if (!value) return std::nullopt;
    auto matcher = Matcher::make(*op, std::move(*name), std::move(*value));
    if (!matcher) return std::nullopt;
    return std::move(matcher).value();
  }

  std::optional<MatchOp> parse_operator() {
    if (accept("!=")) return MatchOp::kNotEqual;
    if (accept("!~")) return MatchOp::kNotRegex;
    if (accept("=~")) return MatchOp::kRegex;
    if (accept("=")) return MatchOp::kEqual;
    return std::nullopt;
  }

  std::optional<std::string> parse_word() {
    skip_space();
    if (at_ >= text_.size()) return std::nullopt;
    return text_[at_] == '"' ? parse_quoted() : parse_unquoted();
  }

  std::optional<std::string> parse_quoted() {
    const std::size_t begin = at_++;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    if (at_ >= text_.size()) return std::nullopt;
    ++at_;
    return go_unquote(text_.substr(begin, at_ - begin));
  }

  std::optional<std::string> parse_unquoted() {
    const std::size_t begin = at_;
    while (at_ < text_.size()) {
      const auto rune = decode_rune(text_, at_);
      if (!rune || is_space(rune->code) || kReserved.find(text_[at_]) != kReserved.npos) break;
      at_ += rune->size;
    }
    if (at_ == begin) return std::nullopt;
    return std::string(text_.substr(begin, at_ - begin));
  }

  bool accept(std::string_view token) {
    skip_space();
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }

  void skip_space() {
    while (at_ < text_.size()) {
      const auto rune = decode_rune(text_, at_);
      if (!rune || !is_space(rune->code)) return;
      at_ += rune->size;
    }
  }

  bool at_end() {
    skip_space();
    return at_ >= text_.size();
  }

  /// Only when not at_end().
  char peek() const { return text_[at_]; }

  std::string_view text_;
  std::size_t at_ = 0;
};

// ---------------------------------------------------------------------------------------------
// The classic grammar, which is tolerant: values may be unquoted and hold nearly anything.

/// A piece of the input and where it starts.
struct Piece {
  std::string_view text;
  std::size_t position = 0;
};

/// The \s of Go's regular expressions.
bool is_regex_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
}

bool is_name_char(char c) {
  return is_name_start(c) || (c >= '0' && c <= '9');
}

void drop_front(Piece& piece, std::size_t count) {
  piece.text.remove_prefix(count);
  piece.position += count;
}

void skip_regex_space(Piece& piece) {
  while (!piece.text.empty() && is_regex_space(piece.text.front())) drop_front(piece, 1);
}

std::string_view take_name(Piece& piece) {
  if (piece.text.empty() || !is_name_start(piece.text.front())) return {};
  const auto end = std::find_if_not(piece.text.begin(), piece.text.end(), is_name_char);
  const std::string_view name =
      piece.text.substr(0, static_cast<std::size_t>(end - piece.text.begin()));
  drop_front(piece, name.size());
  return name;
}

std::optional<MatchOp> take_operator(Piece& piece) {
  for (const MatchOp op :
       {MatchOp::kRegex, MatchOp::kEqual, MatchOp::kNotEqual, MatchOp::kNotRegex}) {
    const std::string_view token = match_op_text(op);
    if (piece.text.substr(0, token.size()) != token) continue;
    drop_front(piece, token.size());
    return op;
  }
  return std::nullopt;
}

/// Undoes the escapes \n, \" and \\ of a value; any other backslash stands for itself.
Result<std::string> unescape_value(Piece piece) {
  const std::string_view whole = piece.text;
  const bool quoted = !piece.text.empty() && piece.text.front() == '"';
  if (quoted) drop_front(piece, 1);
  const std::string_view raw = piece.text;
  std::string value;
  bool closed = false;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const bool last = i + 1 == raw.size();
    if (raw[i] == '"') {
      if (!quoted || !last) return unescaped_quote(piece.position + i, whole);
      closed = true;
    } else if (raw[i] != '\\' || last) {
      value += raw[i];
    } else {
      const char next = raw[++i];
      if (next != 'n' && next != '"' && next != '\\') value += '\\';
      value += next == 'n' ? '\n' : next;
    }
  }
  if (quoted && !closed) return unescaped_quote(piece.position - 1, whole);
  return value;
}

Result<Matcher> parse_classic_one(Piece piece) {
  const Error bad_format =
      Error::at(piece.position, "bad matcher format: " + std::string(piece.text),
                "A matcher is written name=value, name!=value, name=~regex or name!~regex.");
  skip_regex_space(piece);
  const std::string_view name = take_name(piece);
  if (name.empty()) return bad_format;
  skip_regex_space(piece);
  const auto op = take_operator(piece);
  if (!op) return bad_format;
  skip_regex_space(piece);
  while (!piece.text.empty() && is_regex_space(piece.text.back())) piece.text.remove_suffix(1);
  auto value = unescape_value(piece);
  if (!value) return value.error();
  auto matcher = Matcher::make(*op, std::string(name), std::move(value).value());
  if (matcher) return matcher;
  Error error = matcher.error();
  error.position = piece.position + error.position.value_or(0);
  return error;
}

/// Splits at commas outside of double quotes. A last piece of white space only is dropped.
std::vector<Piece> split_classic(Piece input) {
  std::vector<Piece> pieces;
  bool quoted = false;
  bool escaped = false;
  std::size_t begin = 0;
  const std::string_view text = input.text;
  const auto take = [&](std::size_t end) {
    pieces.push_back({text.substr(begin, end - begin), input.position + begin});
    begin = end + 1;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ',' && !quoted) {
      take(i);
      continue;  // as in the original, a comma leaves the escape as it is
    }
    if (text[i] == '"' && !escaped) quoted = !quoted;
    escaped = text[i] == '\\' && !escaped;
  }
  if (begin <= text.size() && !trim_space(text.substr(begin)).empty()) take(text.size());
  return pieces;
}

Result<Matchers> parse_classic(std::string_view text) {
  Piece input{text, 0};
  if (!input.text.empty() && input.text.front() == '{') drop_front(input, 1);
  if (!input.text.empty() && input.text.back() == '}') input.text.remove_suffix(1);
  const std::vector<Piece> pieces = split_classic(input);
  if (pieces.size() > kMaxMatchers) return too_many_matchers(pieces[kMaxMatchers].position);
  Matchers matchers;
  for (const Piece& piece : pieces) {
    auto matcher = parse_classic_one(piece);
    if (!matcher) return matcher.error();
    matchers.push_back(std::move(matcher).value());
  }
  return matchers;
}

std::optional<Error> utf8_error(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto rune = decode_rune(text, at);
    if (!rune) return Error::at(at, "matcher is not valid UTF-8");
    at += rune->size;
  }
  return std::nullopt;
}

}  // namespace

Result<Matchers> parse_matchers(std::string_view text) {
  if (auto error = utf8_error(text)) return *error;
  if (text.size() > kMaxTextBytes) {
    return Error::at(kMaxTextBytes, "matchers are longer than 64 kB");
  }
  auto classic = parse_classic(text);
  auto modern = Utf8Parser(text).parse();
  if (!modern) return classic;
  if (classic && *classic != *modern) return classic;
  return std::move(*modern);
}

Result<Matcher> parse_matcher(std::string_view text) {
  if (!text.empty() && (text.front() == '{' || text.back() == '}')) {
    return Error::at(text.front() == '{' ? 0 : text.size() - 1,
                     "unexpected open or close brace: " + std::string(text));
  }
  auto matchers = parse_matchers(text);
  if (!matchers) return matchers.error();
  if (matchers->size() == 1) return std::move(matchers->front());
  if (matchers->empty()) return Error::at(0, "no matchers");
  return Error::at(0, "expected 1 matcher, found " + std::to_string(matchers->size()));
}

Result<Matchers> parse_matcher_list(const std::vector<std::string>& texts) {
  Matchers all;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    auto matchers = parse_matchers(texts[i]);
    if (!matchers) {
      Error error = matchers.error();
      error.message = "matcher " + std::to_string(i + 1) + ": " + error.message;
      return error;
    }
    if (matchers->empty()) {
      return Error::of("matcher " + std::to_string(i + 1) + " is empty",
                       "Without it the list would match more than it says; leave it out.");
    }
    all.insert(all.end(), matchers->begin(), matchers->end());
    if (all.size() > kMaxMatchers) return too_many_matchers(0);
  }
  return all;
}

}  // namespace monitoring::dispatch
