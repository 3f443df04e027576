#pragma once
// The syntax tree of a template. Its depth is limited by the parser, so that walking and destroying
// it may recurse.

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "monitoring/template/value.hpp"

namespace monitoring::templates::ast {

struct Pipeline;

enum class ExpressionType {
  kDot,
  kNil,
  kConstant,
  kField,       // .A.B: fields
  kVariable,    // $x.A.B: name and fields
  kIdentifier,  // a function: name
  kPipeline,    // ( ... ).A.B: pipeline and fields
  kChain,       // any other operand with fields: base and fields
};

struct Expression {
  ExpressionType type = ExpressionType::kDot;
  std::size_t position = 0;
  std::string name;
  std::vector<std::string> fields;
  Value constant;
  std::unique_ptr<Pipeline> pipeline;
  std::unique_ptr<Expression> base;
};

struct Command {
  std::size_t position = 0;
  std::vector<Expression> arguments;  // the first is what is called or evaluated
};

struct Pipeline {
  std::size_t position = 0;
  std::vector<std::string> variables;  // declared or assigned
  bool assigns = false;                // = rather than :=
  std::vector<Command> commands;
};

enum class NodeType { kText, kAction, kIf, kWith, kRange, kTemplate, kBreak, kContinue };

struct Node {
  NodeType type = NodeType::kText;
  std::size_t position = 0;
  std::string text;  // kText: what to print; kTemplate: the name
  std::unique_ptr<Pipeline> pipeline;
  std::vector<Node> body;
  std::vector<Node> otherwise;
};

/// A named template, or the text itself.
struct Definition {
  std::string name;
  std::vector<Node> body;
};

}  // namespace monitoring::templates::ast
