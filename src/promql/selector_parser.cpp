// Label matchers and lists of label names.

#include <algorithm>

#include "monitoring/promql/text.hpp"
#include "promql/token_reader.hpp"

namespace monitoring::promql {

namespace {

using Kind = Token::Kind;

void append_utf8(std::string& text, std::uint32_t code) {
  const auto add = [&](std::uint32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (code < 0x80) return add(code);
  if (code < 0x800) {
    add(0xC0 | code >> 6);
  } else {
    if (code < 0x10000) {
      add(0xE0 | code >> 12);
    } else {
      add(0xF0 | code >> 18);
      add(0x80 | (code >> 12 & 0x3F));
    }
    add(0x80 | (code >> 6 & 0x3F));
  }
  add(0x80 | (code & 0x3F));
}

std::optional<MatchOp> match_op_of(const Token& token) {
  if (token.kind == Kind::kAssign) return MatchOp::kEqual;
  if (token.kind == Kind::kRegexMatch) return MatchOp::kRegex;
  if (token.kind == Kind::kNotRegexMatch) return MatchOp::kNotRegex;
  if (token.kind == Kind::kOperator && token.op == Operator::kNotEqual) return MatchOp::kNotEqual;
  return {};
}

/// False where the reader has failed.
bool parse_matcher(TokenReader& reader, std::vector<Matcher>& matchers) {
  if (!reader.is(Kind::kIdentifier) && !reader.is(Kind::kString)) {
    return reader.unexpected("label matching", "identifier or \"}\"");
  }
  const Token name = reader.take();
  const bool is_quoted = name.kind == Kind::kString;
  const std::optional<MatchOp> op = match_op_of(reader.peek());
  if (!op) {
    if (!is_quoted) return reader.unexpected("label matching", "label matching operator");
    matchers.push_back(Matcher::equal(std::string(kNameLabel), unquoted(name.text)));
    return true;
  }
  reader.take();
  if (!reader.is(Kind::kString)) {
    return reader.unexpected("label matching", "string", "Values of labels stand in quotes.");
  }
  const Token value = reader.take();
  auto matcher = Matcher::make(*op, is_quoted ? unquoted(name.text) : std::string(name.text),
                               unquoted(value.text));
  if (!matcher) return reader.fail(name.span.start, matcher.error().message, matcher.error().hint);
  matchers.push_back(std::move(matcher).value());
  return reader.admit_regex(matchers.back(), name.span.start);
}

bool may_name_a_label(const Token& token) {
  switch (token.kind) {
    case Kind::kIdentifier:
    case Kind::kMetricIdentifier:
    case Kind::kString:
    case Kind::kAggregator:
      return true;
    case Kind::kOperator:
      return token.op == Operator::kAnd || token.op == Operator::kOr ||
             token.op == Operator::kUnless || token.op == Operator::kAtan2;
    default:
      return token.kind >= Kind::kBool;
  }
}

bool parse_label_name(TokenReader& reader, std::vector<std::string>& names) {
  const Token& token = reader.peek();
  const bool is_label =
      token.kind == Kind::kString || (may_name_a_label(token) && is_label_name(token.text));
  if (!is_label) return reader.unexpected("grouping opts", "label");
  names.push_back(token.kind == Kind::kString ? unquoted(token.text) : std::string(token.text));
  reader.take();
  return true;
}

}  // namespace

std::string unquoted(std::string_view literal) {
  const std::string_view inner = literal.substr(1, literal.size() - 2);
  if (literal[0] == '`') return std::string(inner);
  std::string text;
  for (std::size_t at = 0; at < inner.size(); ++at) {
    if (inner[at] != '\\') {
      text.push_back(inner[at]);
      continue;
    }
    const char c = inner[++at];
    constexpr std::string_view kNames = "abfnrtv";
    constexpr std::string_view kValues = "\a\b\f\n\r\t\v";
    const auto number = [&](std::size_t from, std::size_t count, int base) {
      at = from + count - 1;
      return static_cast<std::uint32_t>(
          std::stoul(std::string(inner.substr(from, count)), nullptr, base));
    };
    if (const std::size_t i = kNames.find(c); i != std::string_view::npos) {
      text.push_back(kValues[i]);
    } else if (c == 'x') {
      text.push_back(static_cast<char>(number(at + 1, 2, 16)));
    } else if (c >= '0' && c <= '7') {
      text.push_back(static_cast<char>(number(at, 3, 8)));
    } else if (c == 'u') {
      append_utf8(text, number(at + 1, 4, 16));
    } else if (c == 'U') {
      append_utf8(text, number(at + 1, 8, 16));
    } else {
      text.push_back(c);
    }
  }
  return text;
}

std::vector<Matcher> parse_matchers(TokenReader& reader) {
  std::vector<Matcher> matchers;
  reader.take();
  while (!reader.accept(Kind::kRightBrace)) {
    if (!parse_matcher(reader, matchers)) return {};
    if (reader.accept(Kind::kComma) || reader.is(Kind::kRightBrace)) continue;
    reader.unexpected("label matching", "\",\" or \"}\"");
    return {};
  }
  return matchers;
}

std::vector<std::string> parse_label_names(TokenReader& reader) {
  std::vector<std::string> names;
  if (!reader.accept(Kind::kLeftParen)) {
    reader.unexpected("grouping opts", "\"(\"");
    return {};
  }
  while (!reader.accept(Kind::kRightParen)) {
    if (!parse_label_name(reader, names)) return {};
    if (reader.accept(Kind::kComma) || reader.is(Kind::kRightParen)) continue;
    reader.unexpected("grouping opts", "\",\" or \")\"");
    return {};
  }
  return names;
}

}  // namespace monitoring::promql
