#pragma once
// Tokens of Go's text/template. Text between actions comes out trimmed as its trim markers ask.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/base/result.hpp"
#include "monitoring/template/value.hpp"

namespace monitoring::templates {

enum class TokenType {
  kText,
  kOpen,        // {{ or {{-
  kClose,       // }} or -}}
  kIdentifier,  // function names and keywords
  kField,       // .Name; text is Name
  kVariable,    // $ or $name; text without $
  kDot,
  kConstant,  // a string, number, character or bool; value holds it
  kNil,
  kPipe,
  kLeftParen,
  kRightParen,
  kDeclare,  // :=
  kAssign,   // =
  kComma,
  kEnd,
};

struct Token {
  TokenType type = TokenType::kEnd;
  std::size_t position = 0;  // byte offset into the source
  bool space_before = false;
  std::string text;
  Value value;
};

/// The last token is kEnd. Comments are gone.
Result<std::vector<Token>> tokenize_template(std::string_view source);

}  // namespace monitoring::templates
