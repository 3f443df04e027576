#include "template/parser.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "template/lexer.hpp"

namespace monitoring::templates {

namespace {

using ast::Command;
using ast::Definition;
using ast::Expression;
using ast::ExpressionType;
using ast::Node;
using ast::NodeType;
using ast::Pipeline;

/// Blocks in blocks and parentheses in parentheses.
constexpr int kMaxDepth = 100;

bool ends_block(const std::string& keyword) {
  return keyword == "end" || keyword == "else";
}

std::string shown(const Token& token) {
  switch (token.type) {
    case TokenType::kEnd:
      return "EOF";
    case TokenType::kClose:
      return "\"}}\"";
    case TokenType::kField:
      return "<." + token.text + ">";
    case TokenType::kVariable:
      return "<$" + token.text + ">";
    case TokenType::kPipe:
      return "\"|\"";
    case TokenType::kLeftParen:
      return "\"(\"";
    case TokenType::kRightParen:
      return "\")\"";
    default:
      return "<" + token.text + ">";
  }
}

class Parser {
 public:
  Parser(std::vector<Token> tokens, const std::function<bool(const std::string&)>& is_function,
         const std::vector<std::string>& variables)
      : tokens_(std::move(tokens)), is_function_(is_function), variables_(variables) {
    variables_.insert(variables_.begin(), "");  // $ itself
  }

  Result<ParsedTemplate> run();

 private:
  /// How a list of nodes ended.
  enum class Ending { kEof, kEnd, kElse };

  const Token& peek() const { return tokens_[at_]; }
  const Token& next() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool take(TokenType type);
  bool failed() const { return error_.has_value(); }
  void fail(std::size_t position, std::string message);
  void unexpected(const Token& token, const std::string& where);
  void expect_close(const std::string& where);

  Ending nodes(std::vector<Node>& out, bool top);
  void action(std::vector<Node>& out, bool top, std::optional<Ending>& ending);
  void control(std::vector<Node>& out, NodeType type, std::size_t position);
  void branches(Node& node, const std::string& where);
  void otherwise(Node& node, const std::string& where);
  void loop_jump(std::vector<Node>& out, NodeType type, const Token& keyword);
  void template_call(std::vector<Node>& out, std::size_t position);
  void define(std::size_t position);
  void block(std::vector<Node>& out, std::size_t position);
  void definition(const std::string& name, std::size_t position);
  std::string template_name(const std::string& where);
  std::unique_ptr<Pipeline> pipeline(const std::string& where, TokenType end);
  void declarations(Pipeline& pipe, const std::string& where);
  void check_pipeline(const Pipeline& pipe, const std::string& where);
  Command command();
  std::optional<Expression> operand();
  std::optional<Expression> term();
  void use_variable(const Token& token);

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  const std::function<bool(const std::string&)>& is_function_;
  std::vector<std::string> variables_;
  int depth_ = 0;
  int range_depth_ = 0;
  std::optional<Error> error_;
  ParsedTemplate parsed_;
};

void Parser::fail(std::size_t position, std::string message) {
  if (!error_) error_ = Error::at(position, std::move(message));
}

void Parser::unexpected(const Token& token, const std::string& where) {
  fail(token.position, "unexpected " + shown(token) + " in " + where);
}

bool Parser::take(TokenType type) {
  if (peek().type != type) return false;
  next();
  return true;
}

void Parser::expect_close(const std::string& where) {
  if (!take(TokenType::kClose)) unexpected(peek(), where);
}

Parser::Ending Parser::nodes(std::vector<Node>& out, bool top) {
  std::optional<Ending> ending;
  if (++depth_ > kMaxDepth) fail(peek().position, "the template nests too deeply");
  while (!failed() && !ending) {
    const Token& token = peek();
    if (token.type == TokenType::kEnd) {
      if (!top) fail(token.position, "unexpected EOF");
      ending = Ending::kEof;
    } else if (token.type == TokenType::kText) {
      Node node;
      node.position = token.position;
      node.text = next().text;
      out.push_back(std::move(node));
    } else {
      action(out, top, ending);
    }
  }
  --depth_;
  return ending.value_or(Ending::kEof);
}

/// From {{ to }}. `ending` is set by {{end}} and {{else}}, whose rest the caller reads.
void Parser::action(std::vector<Node>& out, bool top, std::optional<Ending>& ending) {
  next();  // {{
  const Token keyword = peek();
  const auto is = [&](const char* word) {
    return keyword.type == TokenType::kIdentifier && keyword.text == word;
  };
  if (keyword.type == TokenType::kIdentifier && ends_block(keyword.text)) {
    next();
    if (top) return fail(keyword.position, "unexpected {{" + keyword.text + "}}");
    ending = is("end") ? Ending::kEnd : Ending::kElse;
    return;
  }
  if (is("if") || is("with") || is("range")) {
    next();
    const auto type = is("if") ? NodeType::kIf : is("with") ? NodeType::kWith : NodeType::kRange;
    return control(out, type, keyword.position);
  }
  if (is("break") || is("continue")) {
    return loop_jump(out, is("break") ? NodeType::kBreak : NodeType::kContinue, keyword);
  }
  if (is("template")) return template_call(out, next().position);
  if (is("block")) return block(out, next().position);
  if (is("define")) {
    next();
    if (!top || depth_ > 1) return unexpected(keyword, "command");
    return define(keyword.position);
  }
  Node node;
  node.type = NodeType::kAction;
  node.position = keyword.position;
  node.pipeline = pipeline("command", TokenType::kClose);
  out.push_back(std::move(node));
}

void Parser::control(std::vector<Node>& out, NodeType type, std::size_t position) {
  const std::string where = type == NodeType::kIf     ? "if"
                            : type == NodeType::kWith ? "with"
                                                      : "range";
  const auto scope = variables_.size();
  Node node;
  node.type = type;
  node.position = position;
  node.pipeline = pipeline(where, TokenType::kClose);
  if (failed()) return;
  branches(node, where);
  variables_.resize(scope);
  out.push_back(std::move(node));
}

void Parser::branches(Node& node, const std::string& where) {
  const bool loop = node.type == NodeType::kRange;
  if (loop) ++range_depth_;
  const auto ending = nodes(node.body, false);
  if (loop) --range_depth_;
  if (failed()) return;
  if (ending == Ending::kEnd) return expect_close("end");
  otherwise(node, where);
}

/// After {{else: either }} and a list, or "if ..." / "with ..." as a node of its own.
void Parser::otherwise(Node& node, const std::string& where) {
  if (!take(TokenType::kClose)) {
    const Token keyword = peek();
    const bool chains = keyword.type == TokenType::kIdentifier && keyword.text == where &&
                        node.type != NodeType::kRange;
    if (!chains) return unexpected(keyword, "else");
    next();
    if (++depth_ > kMaxDepth) return fail(keyword.position, "the template nests too deeply");
    control(node.otherwise, node.type, keyword.position);  // it reads the common {{end}}
    --depth_;
    return;
  }
  if (nodes(node.otherwise, false) == Ending::kElse) {
    return fail(peek().position, "expected end; found {{else}}");
  }
  if (!failed()) expect_close("end");
}

void Parser::loop_jump(std::vector<Node>& out, NodeType type, const Token& keyword) {
  next();
  if (range_depth_ == 0)
    return fail(keyword.position, "{{" + keyword.text + "}} outside {{range}}");
  Node node;
  node.type = type;
  node.position = keyword.position;
  expect_close(keyword.text);
  out.push_back(std::move(node));
}

std::string Parser::template_name(const std::string& where) {
  const Token& token = peek();
  const auto* name = token.type == TokenType::kConstant ? token.value.text() : nullptr;
  if (name == nullptr) {
    unexpected(token, where);
    return {};
  }
  return *next().value.text();
}

void Parser::template_call(std::vector<Node>& out, std::size_t position) {
  Node node;
  node.type = NodeType::kTemplate;
  node.position = position;
  node.text = template_name("template clause");
  parsed_.uses_value = true;  // what is called may use it
  if (!failed() && !take(TokenType::kClose)) {
    node.pipeline = pipeline("template clause", TokenType::kClose);
  }
  out.push_back(std::move(node));
}

void Parser::define(std::size_t position) {
  const auto name = template_name("define clause");
  if (failed()) return;
  expect_close("define clause");
  definition(name, position);
}

/// {{block "name" pipeline}}: a definition and a call of it.
void Parser::block(std::vector<Node>& out, std::size_t position) {
  Node node;
  node.type = NodeType::kTemplate;
  node.position = position;
  node.text = template_name("block clause");
  if (failed()) return;
  node.pipeline = pipeline("block clause", TokenType::kClose);
  if (failed()) return;
  definition(node.text, position);
  out.push_back(std::move(node));
}

void Parser::definition(const std::string& name, std::size_t position) {
  auto outer_variables = std::exchange(variables_, {""});
  const int outer_ranges = std::exchange(range_depth_, 0);
  auto made = std::make_shared<Definition>();
  made->name = name;
  const auto ending = nodes(made->body, false);
  variables_ = std::move(outer_variables);
  range_depth_ = outer_ranges;
  if (failed()) return;
  if (ending == Ending::kElse) return fail(peek().position, "unexpected {{else}} in define clause");
  expect_close("end");
  const auto [at, fresh] = parsed_.definitions.emplace(name, made);
  if (fresh) return;
  // As in Go: an empty definition does not count.
  if (made->body.empty()) return;
  if (!at->second->body.empty()) {
    return fail(position, "template: multiple definition of template \"" + name + "\"");
  }
  at->second = made;
}

std::unique_ptr<Pipeline> Parser::pipeline(const std::string& where, TokenType end) {
  auto pipe = std::make_unique<Pipeline>();
  pipe->position = peek().position;
  if (++depth_ > kMaxDepth) fail(peek().position, "the template nests too deeply");
  if (!failed()) declarations(*pipe, where);
  while (!failed()) {
    if (take(end)) {
      check_pipeline(*pipe, where);
      break;
    }
    const Token& token = peek();
    if (token.type == TokenType::kClose || token.type == TokenType::kRightParen ||
        token.type == TokenType::kEnd || token.type == TokenType::kPipe) {
      if (token.type == TokenType::kClose) {
        fail(token.position, "unclosed left paren");
      } else if (token.type == TokenType::kPipe) {
        fail(token.position, "missing value for " + where);
      } else {
        unexpected(token, where);
      }
      break;
    }
    pipe->commands.push_back(command());
  }
  --depth_;
  return pipe;
}

/// "$x :=", "$x =", and for range "$i, $x :=".
void Parser::declarations(Pipeline& pipe, const std::string& where) {
  std::vector<Token> names;
  auto ahead = at_;
  while (tokens_[ahead].type == TokenType::kVariable) {
    names.push_back(tokens_[ahead]);
    const auto after = tokens_[ahead + 1].type;
    if (after == TokenType::kComma && where == "range" && names.size() == 1) {
      ahead += 2;
      continue;
    }
    if (after != TokenType::kDeclare && after != TokenType::kAssign) {
      if (names.size() > 1) unexpected(tokens_[ahead + 1], "range");
      return;  // a variable that is used
    }
    pipe.assigns = after == TokenType::kAssign;
    at_ = ahead + 2;
    for (const auto& name : names) {
      if (pipe.assigns) use_variable(name);
      pipe.variables.push_back(name.text);
    }
    // In scope after the pipeline in Go, too: `{{$x := $x}}` needs an outer $x.
    if (!pipe.assigns)
      variables_.insert(variables_.end(), pipe.variables.begin(), pipe.variables.end());
    return;
  }
}

void Parser::check_pipeline(const Pipeline& pipe, const std::string& where) {
  if (pipe.commands.empty()) return fail(pipe.position, "missing value for " + where);
  for (std::size_t i = 1; i < pipe.commands.size(); ++i) {
    const auto& first = pipe.commands[i].arguments[0];
    if (first.type == ExpressionType::kConstant || first.type == ExpressionType::kDot ||
        first.type == ExpressionType::kNil) {
      return fail(first.position,
                  "non executable command in pipeline stage " + std::to_string(i + 1));
    }
  }
}

Command Parser::command() {
  Command result;
  result.position = peek().position;
  while (!failed()) {
    auto argument = operand();
    if (failed()) break;
    if (argument) result.arguments.push_back(std::move(*argument));
    const Token& token = peek();
    if (token.type == TokenType::kPipe) {
      next();
      const auto after = peek().type;
      if (after == TokenType::kClose || after == TokenType::kRightParen) {
        fail(peek().position, "missing value for command");
      }
      break;
    }
    if (token.type == TokenType::kClose || token.type == TokenType::kRightParen) break;
    if (!argument || !token.space_before) unexpected(token, "operand");
  }
  if (!failed() && result.arguments.empty()) fail(result.position, "empty command");
  return result;
}

void Parser::use_variable(const Token& token) {
  if (std::find(variables_.begin(), variables_.end(), token.text) == variables_.end()) {
    fail(token.position, "undefined variable \"$" + token.text + "\"");
  }
}

/// A term and the fields that follow it without a space.
std::optional<Expression> Parser::operand() {
  auto expression = term();
  if (failed() || !expression) return expression;
  std::vector<std::string> fields;
  while (peek().type == TokenType::kField && !peek().space_before) {
    parsed_.uses_value = parsed_.uses_value || peek().text == "Value";
    fields.push_back(next().text);
  }
  if (fields.empty()) return expression;
  switch (expression->type) {
    case ExpressionType::kField:
    case ExpressionType::kVariable:
    case ExpressionType::kPipeline:
      expression->fields.insert(expression->fields.end(), fields.begin(), fields.end());
      return expression;
    case ExpressionType::kConstant:
    case ExpressionType::kNil:
    case ExpressionType::kDot:
      fail(expression->position, "unexpected . after term");
      return std::nullopt;
    default:
      break;
  }
  Expression chain;
  chain.type = ExpressionType::kChain;
  chain.position = expression->position;
  chain.fields = std::move(fields);
  chain.base = std::make_unique<Expression>(std::move(*expression));
  return chain;
}

std::optional<Expression> Parser::term() {
  const Token token = peek();
  Expression expression;
  expression.position = token.position;
  switch (token.type) {
    case TokenType::kIdentifier:
      if (!is_function_(token.text)) {
        fail(token.position, "function \"" + token.text + "\" not defined");
      }
      parsed_.uses_query = parsed_.uses_query || token.text == "query";
      expression.type = ExpressionType::kIdentifier;
      expression.name = token.text;
      break;
    case TokenType::kDot:
      expression.type = ExpressionType::kDot;
      break;
    case TokenType::kNil:
      expression.type = ExpressionType::kNil;
      break;
    case TokenType::kVariable:
      use_variable(token);
      parsed_.uses_value = parsed_.uses_value || token.text == "value";
      expression.type = ExpressionType::kVariable;
      expression.name = token.text;
      break;
    case TokenType::kField:
      parsed_.uses_value = parsed_.uses_value || token.text == "Value";
      expression.type = ExpressionType::kField;
      expression.fields.push_back(token.text);
      break;
    case TokenType::kConstant:
      expression.type = ExpressionType::kConstant;
      expression.constant = token.value;
      break;
    case TokenType::kLeftParen:
      next();
      expression.type = ExpressionType::kPipeline;
      expression.pipeline = pipeline("parenthesized pipeline", TokenType::kRightParen);
      return expression;
    default:
      return std::nullopt;
  }
  next();
  return expression;
}

Result<ParsedTemplate> Parser::run() {
  auto main = std::make_shared<Definition>();
  nodes(main->body, true);
  if (error_) return *error_;
  parsed_.main = std::move(main);
  return std::move(parsed_);
}

}  // namespace

Result<ParsedTemplate> parse_template(std::string_view source,
                                      const std::function<bool(const std::string&)>& is_function,
                                      const std::vector<std::string>& variables) {
  auto tokens = tokenize_template(source);
  if (!tokens.ok()) return tokens.error();
  return Parser(std::move(tokens).value(), is_function, variables).run();
}

}  // namespace monitoring::templates
