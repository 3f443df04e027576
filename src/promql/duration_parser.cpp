// Durations in brackets and behind offset, and the experimental arithmetic on them.

#include <algorithm>
#include <cmath>

#include "monitoring/promql/text.hpp"
#include "promql/durations.hpp"
#include "promql/token_reader.hpp"

namespace monitoring::promql {

namespace {

using Kind = Token::Kind;
using DurationPtr = std::unique_ptr<DurationExpr>;

DurationPtr make(DurationExpr::Kind kind, std::size_t start) {
  auto expr = std::make_unique<DurationExpr>();
  expr->kind = kind;
  expr->span = {start, start};
  return expr;
}

bool starts_number(const TokenReader& reader) {
  return reader.is(Kind::kNumber) || reader.is(Kind::kDuration);
}

DurationPtr parse_expression(TokenReader& reader, int least_precedence);

/// `step()` and `range()`, whose word was taken.
DurationPtr finish_word(TokenReader& reader, DurationPtr expr) {
  if (!reader.accept(Kind::kLeftParen) || !reader.accept(Kind::kRightParen)) {
    reader.unexpected("duration expression", "\"()\"");
  }
  return expr;
}

/// The operands of `min_of` and `max_of`, whose word was taken.
DurationPtr finish_choice(TokenReader& reader, DurationPtr expr) {
  if (!reader.accept(Kind::kLeftParen)) reader.unexpected("duration expression", "\"(\"");
  if (reader.failed()) return expr;
  expr->left = parse_expression(reader, 0);
  if (!reader.failed() && !reader.accept(Kind::kComma)) {
    reader.unexpected("duration expression", "\",\"");
  }
  if (reader.failed()) return expr;
  expr->right = parse_expression(reader, 0);
  if (!reader.failed() && !reader.accept(Kind::kRightParen)) {
    reader.unexpected("duration expression", "\")\"");
  }
  expr->height = 1 + std::max(expr->left->height, expr->right->height);
  return expr;
}

DurationPtr parse_primary(TokenReader& reader) {
  const TokenReader::Level level(reader);
  const std::size_t start = reader.peek().span.start;
  if (reader.failed()) return make(DurationExpr::Kind::kNumber, start);
  if (starts_number(reader)) {
    auto number = make(DurationExpr::Kind::kNumber, start);
    number->is_duration = reader.is(Kind::kDuration);
    number->seconds = parse_number_or_duration(reader);
    number->span.end = reader.last_end();
    return number;
  }
  if (reader.accept(Kind::kStep))
    return finish_word(reader, make(DurationExpr::Kind::kStep, start));
  if (reader.accept(Kind::kRange)) {
    return finish_word(reader, make(DurationExpr::Kind::kRange, start));
  }
  if (reader.is(Kind::kIdentifier)) {
    const std::string_view word = reader.peek().text;
    if (word == "min_of" || word == "max_of") {
      reader.take();
      const bool smallest = word == "min_of";
      return finish_choice(
          reader, make(smallest ? DurationExpr::Kind::kMin : DurationExpr::Kind::kMax, start));
    }
  }
  if (reader.accept(Kind::kLeftParen)) {
    auto paren = make(DurationExpr::Kind::kParen, start);
    paren->left = parse_expression(reader, 0);
    paren->height = paren->left->height + 1;
    if (!reader.failed() && !reader.accept(Kind::kRightParen)) {
      reader.unexpected("duration expression", "\")\"");
    }
    return paren;
  }
  reader.unexpected("duration expression", "number or duration");
  return make(DurationExpr::Kind::kNumber, start);
}

constexpr int kSumPrecedence = 1;
constexpr int kProductPrecedence = 2;
constexpr int kPowerPrecedence = 3;

int precedence_of(const TokenReader& reader) {
  if (!reader.is(Kind::kOperator)) return 0;
  switch (reader.peek().op) {
    case Operator::kAdd:
    case Operator::kSubtract:
      return kSumPrecedence;
    case Operator::kMultiply:
    case Operator::kDivide:
    case Operator::kModulo:
      return kProductPrecedence;
    case Operator::kPower:
      return kPowerPrecedence;
    default:
      return 0;
  }
}

DurationPtr parse_unary(TokenReader& reader) {
  const TokenReader::Level level(reader);
  const std::size_t start = reader.peek().span.start;
  const bool minus = reader.is(Operator::kSubtract);
  if (reader.failed() || (!minus && !reader.is(Operator::kAdd))) return parse_primary(reader);
  reader.take();
  auto operand = parse_expression(reader, kPowerPrecedence);
  if (!minus) return operand;
  auto negated = make(DurationExpr::Kind::kNegate, start);
  negated->height = operand->height + 1;
  negated->left = std::move(operand);
  return negated;
}

DurationPtr parse_expression(TokenReader& reader, int least_precedence) {
  const TokenReader::Level level(reader);
  auto left = parse_unary(reader);
  while (!reader.failed()) {
    const int precedence = precedence_of(reader);
    if (precedence == 0 || precedence < least_precedence) break;
    auto binary = make(DurationExpr::Kind::kBinary, left->span.start);
    const Token op = reader.take();
    binary->op = op.op;
    binary->left = std::move(left);
    binary->right =
        parse_expression(reader, precedence == kPowerPrecedence ? precedence : precedence + 1);
    const bool divides = op.op == Operator::kDivide || op.op == Operator::kModulo;
    if (divides && binary->right->kind == DurationExpr::Kind::kNumber &&
        binary->right->seconds == 0) {
      reader.fail(op.span.start,
                  op.op == Operator::kDivide ? "division by zero" : "modulo by zero");
    }
    binary->height = 1 + std::max(binary->left->height, binary->right->height);
    if (binary->height > kMostHeight) {
      reader.fail(op.span.start, "expression is nested too deeply");
    }
    left = std::move(binary);
  }
  return left;
}

DurationValue value_of(TokenReader& reader, DurationPtr expr, bool must_be_positive) {
  const bool is_number = expr->kind == DurationExpr::Kind::kNumber;
  const std::size_t start = expr->span.start;
  if (!is_number && !reader.failed() && !reader.experimental()) {
    reader.fail(start, "experimental duration expression is not enabled");
  }
  if (reader.failed()) return {};
  if (is_number) {
    const auto ms = checked_ms(expr->seconds);
    if (!ms) reader.fail(start, "duration out of range");
    if (ms && *ms <= 0 && must_be_positive) {
      reader.fail(start, "duration must be greater than 0");
    }
    return {ms.value_or(0), nullptr};
  }
  return {0, std::shared_ptr<const DurationExpr>(std::move(expr))};
}

}  // namespace

double parse_number_or_duration(TokenReader& reader) {
  const Token& token = reader.peek();
  if (token.kind == Kind::kDuration) {
    const auto ms = parse_duration(token.text);
    if (!ms) {
      reader.fail(token.span.start, ms.error().message, ms.error().hint);
      return 0;
    }
    reader.take();
    return static_cast<double>(*ms) / 1000;
  }
  if (token.kind != Kind::kNumber) {
    reader.unexpected();
    return 0;
  }
  const auto number = parse_number(token.text);
  if (!number) {
    reader.fail(token.span.start, number.error().message);
    return 0;
  }
  reader.take();
  return *number;
}

DurationValue parse_range_duration(TokenReader& reader) {
  const bool is_negative =
      reader.is(Operator::kSubtract) &&
      (reader.peek(1).kind == Kind::kNumber || reader.peek(1).kind == Kind::kDuration) &&
      (reader.peek(2).kind == Kind::kRightBracket || reader.peek(2).kind == Kind::kColon);
  if (is_negative) {
    reader.fail(reader.peek().span.start, "duration must be greater than 0");
    return {};
  }
  return value_of(reader, parse_expression(reader, 0), true);
}

DurationValue parse_offset(TokenReader& reader) {
  const bool minus = reader.is(Operator::kSubtract);
  const std::size_t start = reader.peek().span.start;
  if (minus || reader.is(Operator::kAdd)) reader.take();
  const bool is_word = reader.is(Kind::kStep) || reader.is(Kind::kRange) ||
                       (reader.is(Kind::kIdentifier) &&
                        (reader.peek().text == "min_of" || reader.peek().text == "max_of"));
  if (!starts_number(reader) && !is_word && !reader.is(Kind::kLeftParen)) {
    reader.unexpected("offset", "number or duration");
    return {};
  }
  auto expr = parse_primary(reader);
  if (expr->kind == DurationExpr::Kind::kNumber) {
    if (minus) expr->seconds = -expr->seconds;
  } else if (minus) {
    auto negated = make(DurationExpr::Kind::kNegate, start);
    negated->left = std::move(expr);
    expr = std::move(negated);
  }
  return value_of(reader, std::move(expr), false);
}

}  // namespace monitoring::promql
