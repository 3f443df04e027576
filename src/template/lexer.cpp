#include "template/lexer.hpp"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>

#include "template/go_text.hpp"

namespace monitoring::templates {

namespace {

constexpr std::string_view kSpaces = " \t\r\n";

bool is_space(char c) {
  return kSpaces.find(c) != std::string_view::npos;
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Letters, digits, underscores, and every byte of a character beyond ASCII.
bool is_word(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}
  Result<std::vector<Token>> run();

 private:
  bool at(std::string_view text) const { return source_.substr(at_, text.size()) == text; }
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0';
  }
  void add(TokenType type, std::size_t position, std::string text = {}, Value value = {});
  void fail(std::size_t position, std::string message);
  bool at_close() const { return at("}}") || at_trimming_close(); }
  bool at_trimming_close() const;
  void text();
  void open_action();
  bool comment();
  void close_action();
  void action_token();
  void word();
  void variable();
  void dot();
  void quoted();
  void raw_string();
  void character();
  void number();
  std::optional<Value> integer(const std::string& digits);

  std::string_view source_;
  std::size_t at_ = 0;
  std::size_t open_at_ = 0;
  bool in_action_ = false;
  bool trim_next_text_ = false;
  bool space_before_ = false;
  std::vector<Token> tokens_;
  std::optional<Error> error_;
};

void Lexer::add(TokenType type, std::size_t position, std::string text, Value value) {
  tokens_.push_back({type, position, space_before_, std::move(text), std::move(value)});
  space_before_ = false;
}

void Lexer::fail(std::size_t position, std::string message) {
  if (!error_) error_ = Error::at(position, std::move(message));
}

bool Lexer::at_trimming_close() const {
  return is_space(peek()) && peek(1) == '-' && source_.substr(at_ + 2, 2) == "}}";
}

void Lexer::text() {
  const auto found = source_.find("{{", at_);
  const auto end = found == std::string_view::npos ? source_.size() : found;
  auto piece = source_.substr(at_, end - at_);
  auto position = at_;
  if (trim_next_text_) {
    const auto first = piece.find_first_not_of(kSpaces);
    const auto cut = first == std::string_view::npos ? piece.size() : first;
    piece.remove_prefix(cut);
    position += cut;
  }
  trim_next_text_ = false;
  at_ = end;
  const bool trim_end = end < source_.size() && peek(2) == '-' && is_space(peek(3));
  if (trim_end) {
    const auto last = piece.find_last_not_of(kSpaces);
    piece = last == std::string_view::npos ? std::string_view{} : piece.substr(0, last + 1);
  }
  if (!piece.empty()) add(TokenType::kText, position, std::string(piece));
}

void Lexer::open_action() {
  open_at_ = at_;
  trim_next_text_ = false;  // there was no text
  const bool trims = peek(2) == '-' && is_space(peek(3));
  at_ += trims ? 4 : 2;
  if (comment()) return;
  in_action_ = true;
  space_before_ = false;
  add(TokenType::kOpen, open_at_);
}

/// {{/* ... */}}, possibly with trim markers, stands alone in its action.
bool Lexer::comment() {
  if (!at("/*")) return false;
  const auto end = source_.find("*/", at_ + 2);
  if (end == std::string_view::npos) {
    fail(open_at_, "unclosed comment");
    return true;
  }
  at_ = end + 2;
  if (at_trimming_close()) {
    at_ += 4;
    trim_next_text_ = true;
  } else if (at("}}")) {
    at_ += 2;
  } else {
    fail(at_, "comment ends before closing delimiter");
  }
  return true;
}

void Lexer::close_action() {
  const auto position = at_;
  trim_next_text_ = at_trimming_close();
  at_ += trim_next_text_ ? 4 : 2;
  in_action_ = false;
  add(TokenType::kClose, position);
}

void Lexer::word() {
  const auto start = at_;
  while (is_word(peek())) ++at_;
  std::string text(source_.substr(start, at_ - start));
  if (text == "true") return add(TokenType::kConstant, start, text, true);
  if (text == "false") return add(TokenType::kConstant, start, text, false);
  if (text == "nil") return add(TokenType::kNil, start, text);
  add(TokenType::kIdentifier, start, std::move(text));
}

void Lexer::variable() {
  const auto start = at_++;
  while (is_word(peek())) ++at_;
  add(TokenType::kVariable, start, std::string(source_.substr(start + 1, at_ - start - 1)));
}

void Lexer::dot() {
  if (is_digit(peek(1))) return number();
  const auto start = at_++;
  if (!is_word(peek())) return add(TokenType::kDot, start, ".");
  while (is_word(peek())) ++at_;
  add(TokenType::kField, start, std::string(source_.substr(start + 1, at_ - start - 1)));
}

void Lexer::quoted() {
  const auto start = at_++;
  while (at_ < source_.size() && peek() != '"' && peek() != '\n') at_ += peek() == '\\' ? 2 : 1;
  if (peek() != '"') return fail(start, "unterminated quoted string");
  const auto body = source_.substr(start + 1, at_ - start - 1);
  ++at_;
  auto text = go_unquote(body, '"');
  if (!text) return fail(start, "invalid syntax in quoted string");
  add(TokenType::kConstant, start, std::string(source_.substr(start, at_ - start)),
      std::move(*text));
}

void Lexer::raw_string() {
  const auto start = at_;
  const auto end = source_.find('`', at_ + 1);
  if (end == std::string_view::npos) return fail(start, "unterminated raw quoted string");
  at_ = end + 1;
  std::string text;
  for (const char c : source_.substr(start + 1, end - start - 1)) {
    if (c != '\r') text += c;
  }
  add(TokenType::kConstant, start, std::string(source_.substr(start, at_ - start)),
      std::move(text));
}

void Lexer::character() {
  const auto start = at_++;
  while (at_ < source_.size() && peek() != '\'' && peek() != '\n') at_ += peek() == '\\' ? 2 : 1;
  if (peek() != '\'') return fail(start, "unterminated character constant");
  const auto body = go_unquote(source_.substr(start + 1, at_ - start - 1), '\'');
  ++at_;
  if (!body) return fail(start, "malformed character constant");
  const auto runes = decode_runes(*body);
  if (runes.size() != 1) return fail(start, "malformed character constant");
  add(TokenType::kConstant, start, std::string(source_.substr(start, at_ - start)),
      static_cast<std::int64_t>(runes[0]));
}

std::optional<Value> Lexer::integer(const std::string& digits) {
  const bool negative = digits[0] == '-';
  std::string_view rest(digits);
  if (negative || digits[0] == '+') rest.remove_prefix(1);
  int base = 10;
  if (rest.size() > 1 && rest[0] == '0') {
    const char kind = static_cast<char>(rest[1] | 0x20);
    base = kind == 'x' ? 16 : kind == 'b' ? 2 : 8;
    rest.remove_prefix(kind == 'x' || kind == 'b' || kind == 'o' ? 2 : 1);
  }
  std::uint64_t magnitude = 0;
  const auto [end, status] =
      std::from_chars(rest.data(), rest.data() + rest.size(), magnitude, base);
  if (status != std::errc{} || end != rest.data() + rest.size()) return std::nullopt;
  constexpr std::uint64_t kMost = std::uint64_t{1} << 63U;
  if (magnitude > (negative ? kMost : kMost - 1)) return std::nullopt;
  return static_cast<std::int64_t>(negative ? 0 - magnitude : magnitude);
}

void Lexer::number() {
  const auto start = at_;
  if (peek() == '+' || peek() == '-') ++at_;
  const bool hex = peek() == '0' && (peek(1) | 0x20) == 'x';
  while (is_word(peek()) || peek() == '.' || peek() == '+' || peek() == '-') {
    const char before = at_ > start ? static_cast<char>(source_[at_ - 1] | 0x20) : '\0';
    const bool sign = peek() == '+' || peek() == '-';
    if (sign && at_ > start && before != 'p' && (hex || before != 'e')) break;
    ++at_;
  }
  const auto literal = source_.substr(start, at_ - start);
  std::string digits;
  for (const char c : literal) {
    if (c != '_') digits += c;
  }
  const bool is_float = digits.find_first_of(hex ? ".pP" : ".eEpP") != std::string::npos;
  std::optional<Value> value;
  if (is_float) {
    if (const auto parsed = parse_go_float(digits)) value = *parsed;
  } else {
    value = integer(digits);
  }
  if (!value) return fail(start, "bad number syntax: \"" + std::string(literal) + "\"");
  add(TokenType::kConstant, start, std::string(literal), std::move(*value));
}

void Lexer::action_token() {
  const char c = peek();
  const auto start = at_;
  const auto single = [&](TokenType type) {
    ++at_;
    add(type, start, std::string(1, c));
  };
  if (is_space(c)) {
    ++at_;
    space_before_ = true;
    return;
  }
  const bool number_sign = (c == '+' || c == '-') && (is_digit(peek(1)) || peek(1) == '.');
  if (is_digit(c) || number_sign) return number();
  if (is_word(c)) return word();
  switch (c) {
    case '.':
      return dot();
    case '$':
      return variable();
    case '"':
      return quoted();
    case '`':
      return raw_string();
    case '\'':
      return character();
    case '|':
      return single(TokenType::kPipe);
    case '(':
      return single(TokenType::kLeftParen);
    case ')':
      return single(TokenType::kRightParen);
    case ',':
      return single(TokenType::kComma);
    case '=':
      return single(TokenType::kAssign);
    default:
      break;
  }
  if (at(":=")) {
    at_ += 2;
    return add(TokenType::kDeclare, start, ":=");
  }
  fail(at_, std::string("unexpected character in action: '") + c + "'");
}

Result<std::vector<Token>> Lexer::run() {
  while (at_ < source_.size() && !error_) {
    if (!in_action_ && at("{{")) {
      open_action();
    } else if (!in_action_) {
      text();
    } else if (at_close()) {
      close_action();
    } else {
      action_token();
    }
  }
  if (in_action_) fail(open_at_, "unclosed action");
  if (error_) return *error_;
  add(TokenType::kEnd, source_.size());
  return std::move(tokens_);
}

}  // namespace

Result<std::vector<Token>> tokenize_template(std::string_view source) {
  return Lexer(source).run();
}

}  // namespace monitoring::templates
