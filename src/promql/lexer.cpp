#include "promql/lexer.hpp"

#include <algorithm>
#include <cstdio>
#include <optional>

#include "monitoring/promql/text.hpp"

namespace monitoring::promql {

namespace {

using Kind = Token::Kind;

constexpr char kNoChar = '\0';
constexpr std::string_view kDigits = "0123456789";

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_alpha(char c) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_alphanumeric(char c) {
  return is_alpha(c) || is_digit(c);
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

struct Keyword {
  std::string_view word;
  Kind kind;
};

constexpr Keyword kKeywords[] = {
    {"offset", Kind::kOffset},
    {"by", Kind::kBy},
    {"without", Kind::kWithout},
    {"on", Kind::kOn},
    {"ignoring", Kind::kIgnoring},
    {"group_left", Kind::kGroupLeft},
    {"group_right", Kind::kGroupRight},
    {"fill", Kind::kFill},
    {"fill_left", Kind::kFillLeft},
    {"fill_right", Kind::kFillRight},
    {"bool", Kind::kBool},
    {"start", Kind::kStart},
    {"end", Kind::kEndWord},
    {"step", Kind::kStep},
    {"range", Kind::kRange},
    {"anchored", Kind::kAnchored},
    {"smoothed", Kind::kSmoothed},
    {"inf", Kind::kNumber},
    {"nan", Kind::kNumber},
};

constexpr Operator kWordOperators[] = {Operator::kAnd, Operator::kOr, Operator::kUnless,
                                       Operator::kAtan2};

/// As Go's %q of a character.
std::string quoted_char(std::string_view text, std::size_t at) {
  if (at >= text.size()) return "'\\x00'";
  std::size_t size = 1;
  while (at + size < text.size() && (static_cast<unsigned char>(text[at + size]) & 0xC0) == 0x80) {
    ++size;
  }
  std::string inner = quoted(text.substr(at, size));
  inner = inner.substr(1, inner.size() - 2);
  if (inner == "\\\"") inner = "\"";
  if (inner == "'") inner = "\\'";
  return "'" + inner + "'";
}

class Lexer {
 public:
  explicit Lexer(std::string_view query) : query_(query) {}

  Tokens run() {
    while (!done_) {
      start_ = at_;
      if (is_space(peek())) {
        ++at_;
      } else if (peek() == '#' && !in_brackets_) {
        while (at_ < query_.size() && query_[at_] != '\n' && query_[at_] != '\r') ++at_;
      } else if (in_braces_) {
        lex_in_braces();
      } else if (in_brackets_) {
        lex_in_brackets();
      } else {
        lex_statement();
      }
    }
    return std::move(tokens_);
  }

 private:
  bool at_end() const { return at_ >= query_.size(); }
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < query_.size() ? query_[at_ + ahead] : kNoChar;
  }
  bool is_in(std::string_view set) const {
    return !at_end() && set.find(query_[at_]) != std::string_view::npos;
  }
  bool accept(std::string_view set) {
    if (!is_in(set)) return false;
    ++at_;
    return true;
  }

  Token& emit(Kind kind) {
    Token token;
    token.kind = kind;
    token.span = {start_, at_};
    token.text = query_.substr(start_, at_ - start_);
    tokens_.list.push_back(token);
    return tokens_.list.back();
  }
  void emit_after(std::size_t size, Kind kind) {
    at_ += size;
    emit(kind);
  }
  void emit_operator(std::size_t size, Operator op) {
    at_ += size;
    emit(Kind::kOperator).op = op;
  }
  void fail(std::string message) {
    emit(Kind::kError);
    tokens_.error = std::move(message);
    done_ = true;
  }
  void end() {
    if (paren_depth_ != 0) return fail("unclosed left parenthesis");
    emit(Kind::kEnd);
    done_ = true;
  }

  void lex_statement() {
    if (at_end()) return end();
    const char c = peek();
    switch (c) {
      case ',':
        return emit_after(1, Kind::kComma);
      case '*':
        return emit_operator(1, Operator::kMultiply);
      case '/':
        return emit_operator(1, Operator::kDivide);
      case '%':
        return emit_operator(1, Operator::kModulo);
      case '+':
        return emit_operator(1, Operator::kAdd);
      case '-':
        return emit_operator(1, Operator::kSubtract);
      case '^':
        return emit_operator(1, Operator::kPower);
      case '=':
        if (peek(1) == '=') return emit_operator(2, Operator::kEqual);
        if (peek(1) == '~') return fail("unexpected character after '=': '~'");
        return emit_after(1, Kind::kAssign);
      case '!':
        if (peek(1) == '=') return emit_operator(2, Operator::kNotEqual);
        return fail("unexpected character after '!': " + quoted_char(query_, at_ + 1));
      case '<':
        if (peek(1) == '=') return emit_operator(2, Operator::kLessOrEqual);
        return emit_operator(1, Operator::kLess);
      case '>':
        if (peek(1) == '=') return emit_operator(2, Operator::kGreaterOrEqual);
        return emit_operator(1, Operator::kGreater);
      case '"':
      case '\'':
      case '`':
        return lex_string(c);
      case '{':
        in_braces_ = true;
        return emit_after(1, Kind::kLeftBrace);
      case '[':
        in_brackets_ = true;
        got_colon_ = false;
        got_duration_ = false;
        return emit_after(1, Kind::kLeftBracket);
      case ']':
        return fail("unexpected right bracket ']'");
      case '@':
        return emit_after(1, Kind::kAt);
      default:
        break;
    }
    if (lex_paren()) return;
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return lex_number_or_duration();
    if (is_alpha(c) || c == ':') return lex_word();
    fail("unexpected character: " + quoted_char(query_, at_));
  }

  bool lex_paren() {
    if (peek() == '(') {
      ++paren_depth_;
      emit_after(1, Kind::kLeftParen);
      return true;
    }
    if (peek() != ')') return false;
    if (--paren_depth_ < 0) {
      fail("unexpected right parenthesis ')'");
    } else {
      emit_after(1, Kind::kRightParen);
    }
    return true;
  }

  void lex_in_braces() {
    if (at_end()) return fail("unexpected end of input inside braces");
    const char c = peek();
    if (is_alpha(c)) {
      while (is_alphanumeric(peek())) ++at_;
      emit(Kind::kIdentifier);
      return;
    }
    switch (c) {
      case ',':
        return emit_after(1, Kind::kComma);
      case '"':
      case '\'':
      case '`':
        return lex_string(c);
      case '=':
        if (peek(1) == '~') return emit_after(2, Kind::kRegexMatch);
        return emit_after(1, Kind::kAssign);
      case '!':
        if (peek(1) == '~') return emit_after(2, Kind::kNotRegexMatch);
        if (peek(1) == '=') return emit_operator(2, Operator::kNotEqual);
        return fail("unexpected character after '!' inside braces: " +
                    quoted_char(query_, at_ + 1));
      case '{':
        return fail("unexpected left brace '{'");
      case '}':
        in_braces_ = false;
        return emit_after(1, Kind::kRightBrace);
      default:
        return fail("unexpected character inside braces: " + quoted_char(query_, at_));
    }
  }

  void lex_in_brackets() {
    if (at_end()) return fail("unexpected end of input in duration expression");
    const char c = peek();
    if (lex_paren()) return;
    switch (c) {
      case ']':
        in_brackets_ = false;
        return emit_after(1, Kind::kRightBracket);
      case ':':
        if (!got_duration_) {
          return fail("unexpected colon before duration in duration expression");
        }
        if (got_colon_) return fail("unexpected repeated colon in duration expression");
        got_colon_ = true;
        return emit_after(1, Kind::kColon);
      case '+':
        return emit_operator(1, Operator::kAdd);
      case '-':
        return emit_operator(1, Operator::kSubtract);
      case '*':
        return emit_operator(1, Operator::kMultiply);
      case '/':
        return emit_operator(1, Operator::kDivide);
      case '%':
        return emit_operator(1, Operator::kModulo);
      case '^':
        return emit_operator(1, Operator::kPower);
      case ',':
        return emit_after(1, Kind::kComma);
      default:
        break;
    }
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) {
      got_duration_ = true;
      return lex_number_or_duration();
    }
    if (is_alpha(c)) {
      while (is_alphanumeric(peek())) ++at_;
      const std::string word = lower(query_.substr(start_, at_ - start_));
      got_duration_ = true;
      if (word == "step") return emit_after(0, Kind::kStep);
      if (word == "range") return emit_after(0, Kind::kRange);
      if (word == "max_of" || word == "min_of") return emit_after(0, Kind::kIdentifier);
      at_ = start_;
    }
    fail("unexpected character in duration expression: " + quoted_char(query_, at_));
  }

  void lex_word() {
    while (is_alphanumeric(peek()) || peek() == ':') ++at_;
    const std::string_view text = query_.substr(start_, at_ - start_);
    const std::string word = lower(text);
    for (const Operator op : kWordOperators) {
      if (text_of(op) != word) continue;
      emit(Kind::kOperator).op = op;
      return;
    }
    for (auto i = static_cast<int>(Aggregator::kSum);
         i <= static_cast<int>(Aggregator::kLimitRatio); ++i) {
      const auto aggregator = static_cast<Aggregator>(i);
      if (text_of(aggregator) != word) continue;
      emit(Kind::kAggregator).aggregator = aggregator;
      return;
    }
    for (const Keyword& keyword : kKeywords) {
      if (keyword.word != word) continue;
      const bool fills = keyword.kind == Kind::kFill || keyword.kind == Kind::kFillLeft ||
                         keyword.kind == Kind::kFillRight;
      // Metrics may bear these names: only before a parenthesis they are words of the language.
      emit(fills && !paren_follows() ? Kind::kIdentifier : keyword.kind);
      return;
    }
    emit(text.find(':') == std::string_view::npos ? Kind::kIdentifier : Kind::kMetricIdentifier);
  }

  bool paren_follows() const {
    std::size_t at = at_;
    while (at < query_.size() && is_space(query_[at])) ++at;
    return at < query_.size() && query_[at] == '(';
  }

  void lex_number_or_duration() {
    if (scan_number()) {
      emit(Kind::kNumber);
    } else if (scan_rest_of_duration()) {
      emit(Kind::kDuration);
    } else {
      fail("bad number or duration syntax: " + quoted(query_.substr(start_, at_ - start_)));
    }
  }

  /// Accepts what may be a number; whether it is one is the parser's matter.
  bool scan_number() {
    const std::size_t from = at_;
    std::string_view digits = kDigits;
    if (accept("0") && accept("xX")) {
      accept("_");
      digits = "0123456789abcdefABCDEF";
    }
    const bool hexadecimal = digits.size() > kDigits.size();
    accept(".");
    accept(digits);
    bool had_dot = false;
    bool had_exponent = false;
    while (is_in(digits) || is_in("._eE")) {
      if (is_in(digits)) {
        ++at_;
        continue;
      }
      if (accept(".")) {
        if (had_dot || hexadecimal || accept("_.")) return false;
        had_dot = true;
      } else if (accept("eE")) {
        if (had_exponent) return false;
        had_exponent = true;
        accept("+-");
        if (accept("._eE") || at_end()) return false;
      } else if (accept("_") && (accept("._eE") || at_end())) {
        return false;
      }
    }
    return at_ > from && !is_alphanumeric(peek());
  }

  bool scan_rest_of_duration() {
    if (!accept("smhdwy")) return false;
    accept("s");
    while (accept(kDigits)) {
      while (accept(kDigits)) {
      }
      if (!accept("smhdw")) return false;
      accept("s");
    }
    if (!is_alphanumeric(peek())) return true;
    ++at_;
    return false;
  }

  void lex_string(char quote) {
    ++at_;
    while (true) {
      if (at_end() || (quote != '`' && peek() == '\n')) {
        return fail(quote == '`' ? "unterminated raw string" : "unterminated quoted string");
      }
      const char c = query_[at_++];
      if (c == quote) break;
      if (c != '\\' || quote == '`') continue;
      if (const auto problem = scan_escape(quote)) return fail(*problem);
    }
    if (!is_valid_utf8(query_.substr(start_, at_ - start_))) return fail("invalid UTF-8 rune");
    emit(Kind::kString);
  }

  /// Behind a backslash. What is wrong with the sequence, if something is.
  std::optional<std::string> scan_escape(char quote) {
    if (at_end()) return "escape sequence not terminated";
    const char c = query_[at_++];
    if (c == quote || std::string_view("abfnrtv\\").find(c) != std::string_view::npos) return {};
    std::size_t count = 0;
    unsigned base = 16;
    std::uint32_t most = 0x10FFFF;
    if (c >= '0' && c <= '7') {
      --at_;
      count = 3;
      base = 8;
      most = 255;
    } else if (c == 'x') {
      count = 2;
      most = 255;
    } else if (c == 'u') {
      count = 4;
    } else if (c == 'U') {
      count = 8;
    } else {
      return "unknown escape sequence " + code_point_text(at_ - 1);
    }
    std::uint32_t value = 0;
    for (; count > 0; --count) {
      if (at_end()) return "escape sequence not terminated";
      const std::size_t digit =
          std::string_view("0123456789abcdef").find(lower(query_.substr(at_, 1)));
      if (digit >= base) return "illegal character " + code_point_text(at_) + " in escape sequence";
      value = value * base + static_cast<std::uint32_t>(digit);
      ++at_;
    }
    if (value > most || (value >= 0xD800 && value < 0xE000)) {
      return "escape sequence is an invalid Unicode code point";
    }
    return {};
  }

  /// As Go's %#U of a character of ASCII; of others only the character.
  std::string code_point_text(std::size_t at) const {
    const auto byte = static_cast<unsigned char>(query_[at]);
    if (byte >= 0x80) return quoted_char(query_, at);
    char code[16];
    std::snprintf(code, sizeof code, "U+%04X", byte);
    if (byte < 0x20) return code;
    return std::string(code) + " '" + query_[at] + "'";
  }

  std::string_view query_;
  std::size_t at_ = 0;
  std::size_t start_ = 0;
  int paren_depth_ = 0;
  bool in_braces_ = false;
  bool in_brackets_ = false;
  bool got_colon_ = false;
  bool got_duration_ = false;
  bool done_ = false;
  Tokens tokens_;
};

}  // namespace

Tokens tokens_of(std::string_view query) {
  return Lexer(query).run();
}

std::string description(const Token& token, const std::string& lexer_error) {
  const std::string text(token.text);
  switch (token.kind) {
    case Kind::kEnd:
      return "end of input";
    case Kind::kError:
      return lexer_error;
    case Kind::kOperator:
      return "<op:" + lower(text) + ">";
    case Kind::kAggregator:
      return "<aggr:" + text + ">";
    case Kind::kAt:
      return "<op:@>";
    case Kind::kRegexMatch:
    case Kind::kNotRegexMatch:
      return "<op:" + text + ">";
    case Kind::kBool:
    case Kind::kBy:
    case Kind::kGroupLeft:
    case Kind::kGroupRight:
    case Kind::kIgnoring:
    case Kind::kOffset:
    case Kind::kOn:
    case Kind::kWithout:
    case Kind::kFill:
    case Kind::kFillLeft:
    case Kind::kFillRight:
    case Kind::kAnchored:
    case Kind::kSmoothed:
      return "<" + text + ">";
    case Kind::kIdentifier:
      return "identifier " + quoted(text);
    case Kind::kMetricIdentifier:
      return "metric identifier " + quoted(text);
    default:
      break;
  }
  std::string shown = text.size() > 10 ? quoted(text.substr(0, 10)) + "..." : quoted(text);
  if (token.kind == Kind::kNumber) return "number " + shown;
  if (token.kind == Kind::kDuration) return "duration " + shown;
  if (token.kind == Kind::kString) return "string " + shown;
  return shown;
}

}  // namespace monitoring::promql
