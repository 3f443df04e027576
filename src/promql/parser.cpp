#include "monitoring/promql/parser.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "monitoring/promql/engine.hpp"
#include "monitoring/promql/functions.hpp"
#include "monitoring/promql/text.hpp"
#include "promql/token_reader.hpp"
#include "promql/type_checker.hpp"

namespace monitoring::promql {

namespace {

using Kind = Token::Kind;

/// From the weakest to the strongest.
enum Precedence { kNone, kOrLevel, kAndLevel, kComparison, kSum, kProduct, kPower };

Precedence precedence_of(Operator op) {
  switch (op) {
    case Operator::kOr:
      return kOrLevel;
    case Operator::kAnd:
    case Operator::kUnless:
      return kAndLevel;
    case Operator::kAdd:
    case Operator::kSubtract:
      return kSum;
    case Operator::kMultiply:
    case Operator::kDivide:
    case Operator::kModulo:
    case Operator::kAtan2:
      return kProduct;
    case Operator::kPower:
      return kPower;
    default:
      return kComparison;
  }
}

class Parser {
 public:
  explicit Parser(TokenReader& reader) : reader_(reader) {}

  ExprPtr parse_all() {
    if (reader_.is(Kind::kEnd)) return fail(0, "no expression found in input");
    ExprPtr expr = parse_binary(kNone);
    if (expr && !reader_.is(Kind::kEnd)) return unexpected();
    return expr;
  }

  ExprPtr parse_selector_alone() {
    ExprPtr selector = parse_selector();
    if (selector && !reader_.is(Kind::kEnd)) return unexpected();
    return selector;
  }

 private:
  // A null pointer is returned where the reader has failed, and there alone.
  ExprPtr fail(std::size_t position, std::string message, std::string hint = {}) {
    reader_.fail(position, std::move(message), std::move(hint));
    return nullptr;
  }
  ExprPtr unexpected(const std::string& context = {}, const std::string& expected = {}) {
    reader_.unexpected(context, expected, hint_for_next());
    return nullptr;
  }

  /// Makes the node higher than these below it, if there are any. False where it becomes too high.
  bool raise(Expr& node, std::initializer_list<const Expr*> below) {
    for (const Expr* child : below) {
      if (child != nullptr) node.height = std::max(node.height, child->height + 1);
    }
    if (node.height <= kMostHeight) return true;
    return reader_.fail(node.span.start, "expression is nested too deeply",
                        "At most " + std::to_string(kMostHeight) + " levels are possible.");
  }

  /// For what people write of habit.
  std::string hint_for_next() const {
    switch (reader_.peek().kind) {
      case Kind::kAssign:
        return "Values are compared with ==.";
      case Kind::kBy:
      case Kind::kWithout:
        return "by and without stand before or behind the parentheses of an aggregation, once.";
      case Kind::kGroupLeft:
      case Kind::kGroupRight:
        return "group_left and group_right stand behind on(...) or ignoring(...).";
      default:
        return {};
    }
  }

  ExprPtr parse_binary(int least_precedence) {
    const TokenReader::Level level(reader_);
    if (reader_.failed()) return nullptr;
    ExprPtr left = parse_unary();
    while (left) {
      if (!reader_.is(Kind::kOperator)) break;
      const Operator op = reader_.peek().op;
      const int precedence = precedence_of(op);
      if (precedence < least_precedence) break;
      left = parse_rest_of_binary(std::move(left), op);
    }
    return left;
  }

  ExprPtr parse_rest_of_binary(ExprPtr left, Operator op) {
    auto node = std::make_unique<BinaryExpr>();
    node->op = op;
    node->op_span = reader_.take().span;
    if (!parse_binary_modifiers(*node)) return nullptr;
    const int precedence = precedence_of(op);
    node->right = parse_binary(precedence == kPower ? precedence : precedence + 1);
    if (!node->right) return nullptr;
    node->span = {left->span.start, node->right->span.end};
    node->left = std::move(left);
    if (!raise(*node, {node->left.get(), node->right.get()})) return nullptr;
    const bool fills = node->matching.fill_left || node->matching.fill_right;
    if (fills && !reader_.experimental()) {
      return fail(node->span.start, "binop fill modifiers are experimental and not enabled");
    }
    if (is_set_operator(op) &&
        node->matching.cardinality == VectorMatching::Cardinality::kOneToOne) {
      node->matching.cardinality = VectorMatching::Cardinality::kManyToMany;
    }
    return node;
  }

  bool parse_binary_modifiers(BinaryExpr& node) {
    node.return_bool = reader_.accept(Kind::kBool);
    VectorMatching& matching = node.matching;
    if (reader_.is(Kind::kOn) || reader_.is(Kind::kIgnoring)) {
      matching.on = reader_.take().kind == Kind::kOn;
      matching.labels = parse_label_names(reader_);
      if (reader_.failed()) return false;
      if (reader_.is(Kind::kGroupLeft) || reader_.is(Kind::kGroupRight)) {
        const bool left = reader_.take().kind == Kind::kGroupLeft;
        matching.cardinality = left ? VectorMatching::Cardinality::kManyToOne
                                    : VectorMatching::Cardinality::kOneToMany;
        if (reader_.is(Kind::kLeftParen)) matching.include = parse_label_names(reader_);
      }
    }
    while (!reader_.failed() && reader_.peek().kind >= Kind::kFill &&
           reader_.peek().kind <= Kind::kFillRight) {
      parse_fill(matching);
    }
    return !reader_.failed();
  }

  void parse_fill(VectorMatching& matching) {
    const Kind kind = reader_.take().kind;
    if (!reader_.accept(Kind::kLeftParen)) {
      reader_.unexpected("fill modifier", "\"(\"");
      return;
    }
    const double value = parse_signed_number();
    if (!reader_.failed() && !reader_.accept(Kind::kRightParen)) {
      reader_.unexpected("fill modifier", "\")\"");
    }
    if (kind != Kind::kFillRight) matching.fill_left = value;
    if (kind != Kind::kFillLeft) matching.fill_right = value;
  }

  double parse_signed_number() {
    const bool minus = reader_.is(Operator::kSubtract);
    if (minus || reader_.is(Operator::kAdd)) reader_.take();
    const double value = parse_number_or_duration(reader_);
    return minus ? -value : value;
  }

  ExprPtr parse_unary() {
    const TokenReader::Level level(reader_);
    if (reader_.failed()) return nullptr;
    if (!reader_.is(Operator::kAdd) && !reader_.is(Operator::kSubtract)) return parse_postfix();
    const Token sign = reader_.take();
    ExprPtr operand = parse_binary(kPower);
    if (!operand) return nullptr;
    if (operand->kind == Expr::Kind::kNumber) {
      auto& number = static_cast<NumberLiteral&>(*operand);
      if (sign.op == Operator::kSubtract) number.value = -number.value;
      number.span.start = sign.span.start;
      return operand;
    }
    auto node = std::make_unique<UnaryExpr>();
    node->op = sign.op;
    node->span = {sign.span.start, operand->span.end};
    node->expr = std::move(operand);
    if (!raise(*node, {node->expr.get()})) return nullptr;
    return node;
  }

  ExprPtr parse_postfix() {
    ExprPtr expr = parse_primary();
    while (expr) {
      if (reader_.is(Kind::kLeftBracket)) {
        expr = parse_range(std::move(expr));
      } else if (reader_.is(Kind::kOffset)) {
        expr = parse_offset_of(std::move(expr));
      } else if (reader_.is(Kind::kAt)) {
        expr = parse_at(std::move(expr));
      } else if (reader_.is(Kind::kAnchored) || reader_.is(Kind::kSmoothed)) {
        return fail(expr->span.start, std::string(reader_.peek().text) +
                                          " modifier is experimental and not supported");
      } else {
        break;
      }
    }
    return expr;
  }

  ExprPtr parse_range(ExprPtr expr) {
    const std::size_t bracket = reader_.take().span.start;
    DurationValue range = parse_range_duration(reader_);
    if (reader_.failed()) return nullptr;
    if (reader_.is(Kind::kColon)) return parse_subquery(std::move(expr), std::move(range));
    if (!reader_.accept(Kind::kRightBracket))
      return unexpected("subquery or range", R"(":" or "]")");
    if (expr->kind != Expr::Kind::kVectorSelector) {
      return fail(bracket, "ranges only allowed for vector selectors",
                  "A subquery, for example [5m:], gives other expressions a range.");
    }
    auto node = std::make_unique<MatrixSelector>();
    node->selector.reset(static_cast<VectorSelector*>(expr.release()));
    if (node->selector->shift.offset.is_set()) {
      return fail(bracket, "no offset modifiers allowed before range",
                  "offset stands behind the range.");
    }
    if (node->selector->shift.at != TimeShift::At::kNone) {
      return fail(bracket, "no @ modifiers allowed before range", "@ stands behind the range.");
    }
    node->range = std::move(range);
    node->span = {node->selector->span.start, reader_.last_end()};
    return node;
  }

  ExprPtr parse_subquery(ExprPtr expr, DurationValue range) {
    reader_.take();
    auto node = std::make_unique<Subquery>();
    node->range = std::move(range);
    if (!reader_.is(Kind::kRightBracket)) node->step = parse_range_duration(reader_);
    if (reader_.failed()) return nullptr;
    if (!reader_.accept(Kind::kRightBracket)) return unexpected("subquery selector", "\"]\"");
    node->span = {expr->span.start, reader_.last_end()};
    node->expr = std::move(expr);
    if (!raise(*node, {node->expr.get()})) return nullptr;
    return node;
  }

  static TimeShift* shift_of(Expr& expr) {
    switch (expr.kind) {
      case Expr::Kind::kVectorSelector:
        return &static_cast<VectorSelector&>(expr).shift;
      case Expr::Kind::kMatrixSelector:
        return &static_cast<MatrixSelector&>(expr).selector->shift;
      case Expr::Kind::kSubquery:
        return &static_cast<Subquery&>(expr).shift;
      default:
        return nullptr;
    }
  }

  ExprPtr parse_offset_of(ExprPtr expr) {
    reader_.take();
    DurationValue offset = parse_offset(reader_);
    if (reader_.failed()) return nullptr;
    TimeShift* shift = shift_of(*expr);
    if (shift == nullptr) {
      return fail(expr->span.start,
                  "offset modifier must be preceded by an instant vector selector or range vector "
                  "selector or a subquery",
                  "offset stands directly behind the selector.");
    }
    if (shift->offset.is_set()) {
      return fail(expr->span.start, "offset may not be set multiple times");
    }
    shift->offset = std::move(offset);
    expr->span.end = reader_.last_end();
    return expr;
  }

  ExprPtr parse_at(ExprPtr expr) {
    reader_.take();
    TimeShift at;
    if (!parse_at_time(*expr, at)) return nullptr;
    TimeShift* shift = shift_of(*expr);
    if (shift == nullptr) {
      return fail(expr->span.start,
                  "@ modifier must be preceded by an instant vector selector or range vector "
                  "selector or a subquery");
    }
    if (shift->at != TimeShift::At::kNone) {
      return fail(expr->span.start, "@ <timestamp> may not be set multiple times");
    }
    shift->at = at.at;
    shift->at_ms = at.at_ms;
    expr->span.end = reader_.last_end();
    return expr;
  }

  bool parse_at_time(const Expr& expr, TimeShift& at) {
    if (reader_.is(Kind::kStart) || reader_.is(Kind::kEndWord)) {
      at.at = reader_.take().kind == Kind::kStart ? TimeShift::At::kStart : TimeShift::At::kEnd;
      if (reader_.accept(Kind::kLeftParen) && reader_.accept(Kind::kRightParen)) return true;
      return reader_.unexpected("@", "timestamp");
    }
    const std::size_t ahead = reader_.is(Operator::kAdd) || reader_.is(Operator::kSubtract) ? 1 : 0;
    const Kind kind = reader_.peek(ahead).kind;
    if (kind != Kind::kNumber && kind != Kind::kDuration) {
      return reader_.unexpected("@", "timestamp");
    }
    const double seconds = parse_signed_number();
    if (reader_.failed()) return false;
    constexpr double kMostSeconds = static_cast<double>(kFarthestMs) / 1000;
    if (!(std::fabs(seconds) < kMostSeconds)) {
      return reader_.fail(expr.span.start,
                          "timestamp out of bounds for @ modifier: " + short_number_text(seconds));
    }
    at.at = TimeShift::At::kTime;
    at.at_ms = std::llround(seconds * 1000);
    return true;
  }

  ExprPtr parse_primary() {
    const Token& token = reader_.peek();
    switch (token.kind) {
      case Kind::kNumber:
      case Kind::kDuration:
        return parse_number();
      case Kind::kString:
        return parse_string();
      case Kind::kLeftParen:
        return parse_paren();
      case Kind::kAggregator:
        if (begins_aggregation()) return parse_aggregation();
        return parse_selector();
      case Kind::kIdentifier:
      case Kind::kStart:
      case Kind::kEndWord:
      case Kind::kStep:
      case Kind::kRange:
        if (reader_.peek(1).kind == Kind::kLeftParen) return parse_call();
        return parse_selector();
      default:
        return parse_selector();
    }
  }

  ExprPtr parse_number() {
    auto node = std::make_unique<NumberLiteral>();
    node->span = reader_.peek().span;
    node->is_duration = reader_.is(Kind::kDuration);
    node->value = parse_number_or_duration(reader_);
    if (reader_.failed()) return nullptr;
    return node;
  }

  ExprPtr parse_string() {
    auto node = std::make_unique<StringLiteral>();
    node->span = reader_.peek().span;
    node->value = unquoted(reader_.take().text);
    return node;
  }

  ExprPtr parse_paren() {
    auto node = std::make_unique<ParenExpr>();
    const std::size_t start = reader_.take().span.start;
    node->expr = parse_binary(kNone);
    if (!node->expr) return nullptr;
    if (!reader_.accept(Kind::kRightParen)) return unexpected();
    node->span = {start, reader_.last_end()};
    if (!raise(*node, {node->expr.get()})) return nullptr;
    return node;
  }

  /// An aggregator's name may also be a metric's.
  bool begins_aggregation() const {
    switch (reader_.peek(1).kind) {
      case Kind::kLeftParen:
      case Kind::kBy:
      case Kind::kWithout:
      case Kind::kIdentifier:
      case Kind::kMetricIdentifier:
      case Kind::kNumber:
      case Kind::kDuration:
      case Kind::kString:
        return true;
      default:
        return false;
    }
  }

  ExprPtr parse_aggregation() {
    auto node = std::make_unique<AggregateExpr>();
    const Token word = reader_.take();
    node->op = word.aggregator;
    bool has_grouping = parse_grouping(*node);
    if (reader_.failed()) return nullptr;
    if (!reader_.is(Kind::kLeftParen)) return unexpected("aggregation");
    std::vector<ExprPtr> arguments;
    if (!parse_arguments(arguments)) return nullptr;
    if (!has_grouping) has_grouping = parse_grouping(*node);
    if (reader_.failed()) return nullptr;
    node->span = {word.span.start, reader_.last_end()};
    return finish_aggregation(std::move(node), std::move(arguments));
  }

  bool parse_grouping(AggregateExpr& node) {
    if (!reader_.is(Kind::kBy) && !reader_.is(Kind::kWithout)) return false;
    node.without = reader_.take().kind == Kind::kWithout;
    node.grouping = parse_label_names(reader_);
    return true;
  }

  ExprPtr finish_aggregation(std::unique_ptr<AggregateExpr> node, std::vector<ExprPtr> arguments) {
    const std::size_t start = node->span.start;
    if (arguments.empty()) return fail(start, "no arguments for aggregate expression provided");
    if (is_experimental(node->op) && !reader_.experimental()) {
      return fail(start, std::string(text_of(node->op)) +
                             "() is experimental and must be enabled with "
                             "--enable-feature=promql-experimental-functions");
    }
    const std::size_t wanted = takes_parameter(node->op) ? 2 : 1;
    if (arguments.size() != wanted) {
      return fail(start, "wrong number of arguments for aggregate expression provided, expected " +
                             std::to_string(wanted) + ", got " + std::to_string(arguments.size()));
    }
    node->expr = std::move(arguments.back());
    if (wanted == 2) node->parameter = std::move(arguments.front());
    if (!raise(*node, {node->expr.get(), node->parameter.get()})) return nullptr;
    return node;
  }

  ExprPtr parse_call() {
    auto node = std::make_unique<CallExpr>();
    const Token name = reader_.take();
    node->function = find_function(name.text);
    if (node->function == nullptr) {
      return fail(name.span.start, "unknown function with name " + quoted(name.text),
                  hint_for_function(name.text));
    }
    if (node->function->experimental && !reader_.experimental()) {
      return fail(name.span.start, "function " + quoted(name.text) + " is not enabled",
                  "It is experimental in Prometheus.");
    }
    if (!parse_arguments(node->arguments)) return nullptr;
    node->span = {name.span.start, reader_.last_end()};
    for (const ExprPtr& argument : node->arguments) {
      if (!raise(*node, {argument.get()})) return nullptr;
    }
    return node;
  }

  static std::string hint_for_function(std::string_view name) {
    if (name == "holt_winters")
      return "Its name is double_exponential_smoothing since Prometheus 3.";
    std::string lower(name);
    for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    if (lower != name && find_function(lower) != nullptr)
      return "Names of functions are lower case.";
    return {};
  }

  bool parse_arguments(std::vector<ExprPtr>& arguments) {
    reader_.take();
    if (reader_.accept(Kind::kRightParen)) return true;
    while (true) {
      ExprPtr argument = parse_binary(kNone);
      if (!argument) return false;
      arguments.push_back(std::move(argument));
      if (reader_.accept(Kind::kRightParen)) return true;
      const std::size_t comma = reader_.peek().span.start;
      if (!reader_.accept(Kind::kComma)) {
        unexpected();
        return false;
      }
      if (reader_.is(Kind::kRightParen)) {
        return reader_.fail(comma, "trailing commas not allowed in function call args");
      }
    }
  }

  static bool may_name_a_metric(const Token& token) {
    switch (token.kind) {
      case Kind::kIdentifier:
      case Kind::kMetricIdentifier:
      case Kind::kAggregator:
      case Kind::kBy:
      case Kind::kWithout:
      case Kind::kOffset:
      case Kind::kStart:
      case Kind::kEndWord:
      case Kind::kStep:
      case Kind::kRange:
      case Kind::kAnchored:
      case Kind::kSmoothed:
        return true;
      default:
        return token.kind == Kind::kOperator && is_set_operator(token.op);
    }
  }

  ExprPtr parse_selector() {
    auto node = std::make_unique<VectorSelector>();
    const std::size_t start = reader_.peek().span.start;
    if (may_name_a_metric(reader_.peek())) {
      node->name = std::string(reader_.take().text);
    } else if (!reader_.is(Kind::kLeftBrace)) {
      return unexpected();
    }
    if (reader_.is(Kind::kLeftBrace)) node->matchers = parse_matchers(reader_);
    if (reader_.failed()) return nullptr;
    node->span = {start, reader_.last_end()};
    if (!reader_.admit_selector(start)) return nullptr;
    if (!node->name.empty()) {
      node->matchers.push_back(Matcher::equal(std::string(kNameLabel), node->name));
    }
    return node;
  }

  TokenReader& reader_;
};

std::optional<Error> problem_of_size(std::string_view query) {
  if (query.size() <= kMostQueryBytes) return {};
  return Error::at(kMostQueryBytes,
                   "the query is longer than " + std::to_string(kMostQueryBytes) + " bytes");
}

}  // namespace

Result<ExprPtr> parse(std::string_view query, const ParseOptions& options) {
  if (const auto problem = problem_of_size(query)) return *problem;
  TokenReader reader(query, options);
  ExprPtr expr = Parser(reader).parse_all();
  if (!expr) return reader.error();
  if (const auto wrong = check_types(*expr)) return *wrong;
  return expr;
}

Result<std::vector<Matcher>> parse_selector(std::string_view text) {
  if (const auto problem = problem_of_size(text)) return *problem;
  TokenReader reader(text, {});
  const ExprPtr expr = Parser(reader).parse_selector_alone();
  if (!expr) return reader.error();
  if (const auto wrong = check_types(*expr)) return *wrong;
  return as<VectorSelector>(*expr).matchers;
}

}  // namespace monitoring::promql
