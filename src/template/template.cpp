#include "monitoring/template/template.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "template/ast.hpp"
#include "template/functions.hpp"
#include "template/go_format.hpp"
#include "template/go_text.hpp"
#include "template/parser.hpp"

namespace monitoring::templates {

namespace {

using ast::Command;
using ast::Definition;
using ast::Expression;
using ast::ExpressionType;
using ast::Node;
using ast::NodeType;
using ast::Pipeline;

/// Work is counted in steps; so many bytes read or made are one.
constexpr std::size_t kBytesPerStep = 256;
constexpr std::size_t kStepsPerCancelCheck = 64;
/// Blocks entered and not left, over all templates that are being executed: bounds the stack.
constexpr std::size_t kMaxBlockDepth = 200;
constexpr char kTooDeep[] = "blocks and templates nest too deeply";
constexpr char kNoField[] = "can't evaluate field ";
constexpr char kNotDefined[] = " not defined";

std::size_t text_size(const Value& value) {
  const auto* text = value.text();
  return text == nullptr ? 0 : text->size();
}

/// One rendering. After the first error everything returns at once, with values that nobody reads.
class Evaluator {
 public:
  Evaluator(const Template::Definitions& definitions, Dialect dialect, const RenderContext& context)
      : definitions_(definitions), dialect_(dialect), context_(context) {}

  Result<std::string> run(const Definition& main, const Value& data);

 private:
  enum class Flow { kNext, kBreak, kContinue };
  struct Variable {
    std::string name;
    Value value;
  };
  using Arguments = std::vector<Value>;

  bool failed() const { return error_.has_value(); }
  Value fail(std::size_t position, std::string message);
  bool spend(std::size_t position, std::size_t steps = 1);
  void write(std::size_t position, std::string_view text);
  void print(std::size_t position, const Value& value);

  Flow walk(const std::vector<Node>& nodes, const Value& dot);
  Flow walk_node(const Node& node, const Value& dot);
  Flow walk_condition(const Node& node, const Value& dot);
  Flow walk_range(const Node& node, const Value& dot);
  Flow walk_iteration(const Node& node, const Value& key, const Value& item);
  void call_template(const std::string& name, std::size_t position, const Value& dot);

  Value evaluate(const Pipeline& pipeline, const Value& dot);
  void bind(const Pipeline& pipeline, const Value& value);
  Value evaluate(const Command& command, const Value& dot, const Value* final);
  Value evaluate(const Expression& expression, const Value& dot, const Command* call = nullptr,
                 const Value* final = nullptr);
  Value variable(const Expression& expression);
  Value fields(Value receiver, const Expression& expression, const Value& dot, const Command* call,
               const Value* final);
  Value field(const Value& receiver, const std::string& name, std::size_t position,
              Arguments* arguments);
  Value map_entry(const MapData& map, const std::string& name, std::size_t position);
  bool arguments_of(const Command* call, const Value* final, const Value& dot, Arguments& out);
  Value function(const Expression& expression, const Value& dot, const Command* call,
                 const Value* final);
  Value short_circuit(bool is_or, const Value& dot, const Command* call, const Value* final);
  Value invoke(const FunctionSpec& spec, Arguments& arguments, std::size_t position);

  const Template::Definitions& definitions_;
  const Dialect dialect_;
  const RenderContext& context_;
  std::vector<Variable> variables_;
  std::string out_;
  std::optional<Error> error_;
  std::size_t steps_ = 0;
  std::size_t steps_at_last_check_ = 0;
  std::size_t block_depth_ = 0;
};

Value Evaluator::fail(std::size_t position, std::string message) {
  if (!error_) error_ = Error::at(position, std::move(message));
  return {};
}

bool Evaluator::spend(std::size_t position, std::size_t steps) {
  steps_ += steps;
  if (steps_ > context_.limits.steps) fail(position, "the template takes too many steps");
  if (steps_ - steps_at_last_check_ >= kStepsPerCancelCheck) {
    steps_at_last_check_ = steps_;
    if (context_.cancel->cancelled()) fail(position, "rendering was cancelled");
  }
  return !failed();
}

void Evaluator::write(std::size_t position, std::string_view text) {
  if (out_.size() + text.size() > context_.limits.output_bytes) {
    fail(position, "the template's output is too long");
    return;
  }
  out_ += text;
}

void Evaluator::print(std::size_t position, const Value& value) {
  if (failed()) return;
  if (value.is_nil()) return write(position, context_.html ? "" : "<no value>");
  const auto text = format_value(value, context_.limits.output_bytes);
  if (!spend(position, text.size() / kBytesPerStep)) return;
  const bool escapes = context_.html && value.as<SafeText>() == nullptr;
  write(position, escapes ? escape_html(text) : text);
}

Evaluator::Flow Evaluator::walk(const std::vector<Node>& nodes, const Value& dot) {
  if (++block_depth_ > kMaxBlockDepth) fail(nodes.empty() ? 0 : nodes[0].position, kTooDeep);
  auto flow = Flow::kNext;
  for (const auto& node : nodes) {
    if (failed() || flow != Flow::kNext) break;
    flow = walk_node(node, dot);
  }
  --block_depth_;
  return flow;
}

Evaluator::Flow Evaluator::walk_node(const Node& node, const Value& dot) {
  if (!spend(node.position)) return Flow::kNext;
  switch (node.type) {
    case NodeType::kText:
      write(node.position, node.text);
      return Flow::kNext;
    case NodeType::kAction: {
      const auto value = evaluate(*node.pipeline, dot);
      if (node.pipeline->variables.empty()) print(node.pipeline->position, value);
      return Flow::kNext;
    }
    case NodeType::kIf:
    case NodeType::kWith:
      return walk_condition(node, dot);
    case NodeType::kRange:
      return walk_range(node, dot);
    case NodeType::kTemplate:
      call_template(node.text, node.position,
                    node.pipeline ? evaluate(*node.pipeline, dot) : Value());
      return Flow::kNext;
    case NodeType::kBreak:
      return Flow::kBreak;
    case NodeType::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNext;
}

Evaluator::Flow Evaluator::walk_condition(const Node& node, const Value& dot) {
  const auto scope = variables_.size();
  const auto value = evaluate(*node.pipeline, dot);
  if (failed()) return Flow::kNext;
  auto flow = Flow::kNext;
  if (value.truth()) {
    flow = walk(node.body, node.type == NodeType::kWith ? value : dot);
  } else {
    flow = walk(node.otherwise, dot);
  }
  variables_.resize(scope);
  return flow;
}

Evaluator::Flow Evaluator::walk_iteration(const Node& node, const Value& key, const Value& item) {
  const auto& names = node.pipeline->variables;
  const auto scope = variables_.size();
  const auto bind_one = [&](const std::string& name, const Value& value) {
    if (!node.pipeline->assigns) {
      variables_.push_back({name, value});
      return;
    }
    for (auto at = variables_.rbegin(); at != variables_.rend(); ++at) {
      if (at->name != name) continue;
      at->value = value;
      return;
    }
  };
  if (names.size() == 2) bind_one(names[0], key);
  if (!names.empty()) bind_one(names.back(), item);
  const auto flow = walk(node.body, item);
  variables_.resize(scope);
  return flow;
}

Evaluator::Flow Evaluator::walk_range(const Node& node, const Value& dot) {
  const auto scope = variables_.size();
  Pipeline const& pipeline = *node.pipeline;
  Value value;
  for (const auto& command : pipeline.commands) {
    value = evaluate(command, dot, &command == &pipeline.commands[0] ? nullptr : &value);
    if (failed()) return Flow::kNext;
  }
  bool empty = true;
  const auto iterate = [&](const Value& key, const Value& item) {
    empty = false;
    return spend(node.position) && walk_iteration(node, key, item) != Flow::kBreak && !failed();
  };
  if (const auto* list = value.as_list()) {
    for (std::size_t i = 0; i < list->items.size(); ++i) {
      if (!iterate(static_cast<std::int64_t>(i), list->items[i])) break;
    }
  } else if (const auto* map = value.as_map()) {
    for (const auto& [key, item] : map->entries) {
      if (!iterate(key, item)) break;
    }
  } else if (!value.is_nil()) {
    fail(pipeline.position,
         "range can't iterate over " + format_value(value, context_.limits.output_bytes));
  }
  if (empty && !failed()) {
    const auto flow = walk(node.otherwise, dot);
    variables_.resize(scope);
    return flow;
  }
  variables_.resize(scope);
  return Flow::kNext;
}

void Evaluator::call_template(const std::string& name, std::size_t position, const Value& dot) {
  if (failed()) return;
  const auto found = definitions_.find(name);
  if (found == definitions_.end()) {
    fail(position, "template " + go_quote(name) + kNotDefined);
    return;
  }
  auto outer = std::exchange(variables_, {{"", dot}});
  walk(found->second->body, dot);
  variables_ = std::move(outer);
}

Value Evaluator::evaluate(const Pipeline& pipeline, const Value& dot) {
  Value value;
  bool first = true;
  for (const auto& command : pipeline.commands) {
    value = evaluate(command, dot, first ? nullptr : &value);
    first = false;
    if (failed()) return {};
  }
  bind(pipeline, value);
  return value;
}

void Evaluator::bind(const Pipeline& pipeline, const Value& value) {
  for (const auto& name : pipeline.variables) {
    if (!pipeline.assigns) {
      variables_.push_back({name, value});
      continue;
    }
    const auto at = std::find_if(variables_.rbegin(), variables_.rend(),
                                 [&](const Variable& known) { return known.name == name; });
    if (at != variables_.rend()) at->value = value;
  }
}

Value Evaluator::evaluate(const Command& command, const Value& dot, const Value* final) {
  // `final` may be the variable that receives the result: keep a copy while arguments are made.
  const std::optional<Value> piped = final == nullptr ? std::nullopt : std::make_optional(*final);
  const auto& first = command.arguments[0];
  if (first.type == ExpressionType::kNil) return fail(first.position, "nil is not a command");
  return evaluate(first, dot, &command, piped ? &*piped : nullptr);
}

Value Evaluator::evaluate(const Expression& expression, const Value& dot, const Command* call,
                          const Value* final) {
  if (!spend(expression.position)) return {};
  const bool has_arguments = final != nullptr || (call != nullptr && call->arguments.size() > 1);
  const bool callable =
      expression.type == ExpressionType::kIdentifier || !expression.fields.empty();
  if (has_arguments && !callable) {
    return fail(expression.position, "can't give argument to non-function");
  }
  switch (expression.type) {
    case ExpressionType::kDot:
      return dot;
    case ExpressionType::kNil:
      return {};
    case ExpressionType::kConstant:
      return expression.constant;
    case ExpressionType::kField:
      return fields(dot, expression, dot, call, final);
    case ExpressionType::kVariable:
      return fields(variable(expression), expression, dot, call, final);
    case ExpressionType::kPipeline:
      return fields(evaluate(*expression.pipeline, dot), expression, dot, call, final);
    case ExpressionType::kChain:
      return fields(evaluate(*expression.base, dot), expression, dot, call, final);
    case ExpressionType::kIdentifier:
      return function(expression, dot, call, final);
  }
  return {};
}

Value Evaluator::variable(const Expression& expression) {
  for (auto at = variables_.rbegin(); at != variables_.rend(); ++at) {
    if (at->name == expression.name) return at->value;
  }
  return fail(expression.position, "undefined variable: $" + expression.name);
}

/// Only the last field of a chain can be a method with arguments.
Value Evaluator::fields(Value receiver, const Expression& expression, const Value& dot,
                        const Command* call, const Value* final) {
  for (std::size_t i = 0; i < expression.fields.size() && !failed(); ++i) {
    Arguments arguments;
    if (i + 1 == expression.fields.size() && !arguments_of(call, final, dot, arguments)) return {};
    receiver = field(receiver, expression.fields[i], expression.position, &arguments);
  }
  return receiver;
}

Value Evaluator::field(const Value& receiver, const std::string& name, std::size_t position,
                       Arguments* arguments) {
  if (receiver.is_nil()) {
    if (context_.missing_key != MissingKey::kError) return {};
    return fail(position, "nil data; no entry for key " + go_quote(name));
  }
  if (const auto* method = find_method(receiver, name)) {
    arguments->insert(arguments->begin(), receiver);
    return invoke(*method, *arguments, position);
  }
  const auto* object = receiver.as_object();
  const auto* map = receiver.as_map();
  const auto* known = object == nullptr ? nullptr : find_field(*object, name);
  if ((known != nullptr || map != nullptr) && !arguments->empty()) {
    return fail(position, name + " is not a method but has arguments");
  }
  if (known != nullptr) return *known;
  if (map != nullptr) return map_entry(*map, name, position);
  return fail(position, kNoField + name + " in type " + receiver.type_name());
}

Value Evaluator::map_entry(const MapData& map, const std::string& name, std::size_t position) {
  const auto found = map.entries.find(name);
  if (found != map.entries.end()) return found->second;
  if (context_.missing_key == MissingKey::kError) {
    return fail(position, "map has no entry for key " + go_quote(name));
  }
  const bool zero = context_.missing_key == MissingKey::kZero && map.type != MapType::kAny;
  return zero ? Value("") : Value();
}

/// The arguments behind the first word, then what the pipeline hands on. False on failure.
bool Evaluator::arguments_of(const Command* call, const Value* final, const Value& dot,
                             Arguments& out) {
  if (call != nullptr) {
    for (std::size_t i = 1; i < call->arguments.size(); ++i) {
      out.push_back(evaluate(call->arguments[i], dot));
      if (failed()) return false;
    }
  }
  if (final != nullptr) out.push_back(*final);
  return true;
}

Value Evaluator::function(const Expression& expression, const Value& dot, const Command* call,
                          const Value* final) {
  if (expression.name == "and" || expression.name == "or") {
    return short_circuit(expression.name == "or", dot, call, final);
  }
  const auto* spec = find_function(dialect_, expression.name);
  if (spec == nullptr) {
    return fail(expression.position, "function " + go_quote(expression.name) + kNotDefined);
  }
  Arguments arguments;
  if (!arguments_of(call, final, dot, arguments)) return {};
  return invoke(*spec, arguments, expression.position);
}

/// and, or: the first argument that decides, or the last one.
Value Evaluator::short_circuit(bool is_or, const Value& dot, const Command* call,
                               const Value* final) {
  Value value;
  const std::size_t count = call == nullptr ? 1 : call->arguments.size();
  if (count == 1 && final == nullptr) {
    return fail(call == nullptr ? 0 : call->position, std::string("wrong number of args for ") +
                                                          (is_or ? "or" : "and") +
                                                          ": want at least 1 got 0");
  }
  for (std::size_t i = 1; i < count; ++i) {
    value = evaluate(call->arguments[i], dot);
    if (failed() || value.truth() == is_or) return value;
  }
  return final == nullptr ? value : *final;
}

Value Evaluator::invoke(const FunctionSpec& spec, Arguments& arguments, std::size_t position) {
  std::size_t bytes = 0;
  for (const auto& argument : arguments) bytes += text_size(argument);
  if (!spend(position, 1 + bytes / kBytesPerStep)) return {};
  if (auto wrong = check_arguments(spec, arguments)) return fail(position, std::move(*wrong));
  const std::function<std::optional<std::string>(const std::string&, const Value&)> execute =
      [&](const std::string& name, const Value& data) -> std::optional<std::string> {
    auto outer = std::exchange(out_, {});
    call_template(name, position, data);
    auto made = std::exchange(out_, std::move(outer));
    if (failed()) return std::nullopt;
    return made;
  };
  FunctionCall call{arguments, context_, execute, std::nullopt};
  auto value = spec.run(call);
  if (failed()) return {};
  if (call.error) {
    return fail(position, "error calling " + std::string(spec.name) + ": " + *call.error);
  }
  if (text_size(value) > context_.limits.output_bytes) {
    return fail(position, "the text that " + std::string(spec.name) + " makes is too long");
  }
  if (value.nesting() > Value::kMaxNesting) {
    return fail(position, "the value that " + std::string(spec.name) + " makes nests too deeply");
  }
  spend(position, text_size(value) / kBytesPerStep);
  return value;
}

Result<std::string> Evaluator::run(const Definition& main, const Value& data) {
  variables_.push_back({"", data});
  for (const auto& [name, value] : context_.variables) variables_.push_back({name, value});
  walk(main.body, data);
  if (error_) return *error_;
  return std::move(out_);
}

}  // namespace

Value query_sample(const Labels& labels, double value) {
  return Value::object("template.sample",
                       {{"Labels", Value::map(MapType::kStrings, labels)}, {"Value", value}});
}

bool names_the_unknown(const Error& error) {
  const std::string_view message = error.message;
  const std::string_view end = kNotDefined;
  const bool undefined =
      message.size() >= end.size() && message.substr(message.size() - end.size()) == end;
  return undefined || message.rfind(kNoField, 0) == 0;
}

Result<Template> Template::parse(std::string_view text, Dialect dialect,
                                 const std::vector<std::string>& variables,
                                 const Template* library) {
  if (text.size() > kMaxSourceBytes) {
    return Error::at(kMaxSourceBytes,
                     "the template is longer than " + std::to_string(kMaxSourceBytes) + " bytes");
  }
  const auto is_function = [dialect](const std::string& name) {
    return find_function(dialect, name) != nullptr;
  };
  auto parsed = parse_template(text, is_function, variables);
  if (!parsed.ok()) return parsed.error();
  Template made;
  made.main_ = parsed->main;
  if (library != nullptr) made.definitions_ = library->definitions_;
  for (auto& [name, definition] : parsed->definitions) made.definitions_[name] = definition;
  made.dialect_ = dialect;
  made.uses_value_ = parsed->uses_value;
  made.uses_query_ = parsed->uses_query;
  return made;
}

Result<std::string> Template::render(const Value& data, const RenderContext& context) const {
  return Evaluator(definitions_, dialect_, context).run(*main_, data);
}

}  // namespace monitoring::templates
