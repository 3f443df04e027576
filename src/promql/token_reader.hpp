#pragma once
// The words of a query while it is parsed, and the first thing that is wrong with it.

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "monitoring/base/result.hpp"
#include "monitoring/promql/parser.hpp"
#include "promql/lexer.hpp"

namespace monitoring::promql {

class TokenReader {
 public:
  TokenReader(std::string_view query, const ParseOptions& options)
      : query_(query), options_(options), tokens_(tokens_of(query)) {}

  const Token& peek(std::size_t ahead = 0) const {
    return tokens_.list[std::min(at_ + ahead, tokens_.list.size() - 1)];
  }
  bool is(Token::Kind kind) const { return peek().kind == kind; }
  bool is(Operator op) const { return is(Token::Kind::kOperator) && peek().op == op; }

  const Token& take() {
    const Token& token = peek();
    last_end_ = token.span.end;
    if (at_ + 1 < tokens_.list.size()) ++at_;
    return token;
  }
  bool accept(Token::Kind kind) {
    if (!is(kind)) return false;
    take();
    return true;
  }

  /// Behind the last word that was taken.
  std::size_t last_end() const { return last_end_; }
  std::string_view query() const { return query_; }
  bool experimental() const { return options_.experimental; }

  bool failed() const { return error_.has_value(); }
  const Error& error() const { return *error_; }
  /// Only the first error counts. Always false, for callers that have nothing else to say.
  bool fail(Error error) {
    if (!error_) error_ = std::move(error);
    return false;
  }
  bool fail(std::size_t position, std::string message, std::string hint = {}) {
    return fail(Error::at(position, std::move(message), std::move(hint)));
  }
  /// Complains about the next word.
  bool unexpected(const std::string& context = {}, const std::string& expected = {},
                  const std::string& hint = {}) {
    std::string message = description(peek(), tokens_.error);
    if (!is(Token::Kind::kError)) {
      message = "unexpected " + message;
      if (!context.empty()) message += " in " + context;
      if (!expected.empty()) message += ", expected " + expected;
    }
    return fail(peek().span.start, std::move(message), hint);
  }

  /// Compiled expressions are the one large thing that a short query may ask for.
  bool admit_regex(const Matcher& matcher, std::size_t position) {
    constexpr int kMostRegexes = 256;
    if (matcher.program_size() == 0 || ++regexes_ <= kMostRegexes) return true;
    return fail(position,
                "a query has at most " + std::to_string(kMostRegexes) + " regular expressions");
  }

  bool admit_selector(std::size_t position) {
    constexpr int kMostSelectors = 2000;
    if (++selectors_ <= kMostSelectors) return true;
    return fail(position, "a query has at most " + std::to_string(kMostSelectors) + " selectors");
  }

  /// Counts how deep the parser is in itself, and fails beyond kMostHeight.
  class Level {
   public:
    explicit Level(TokenReader& reader) : reader_(reader) {
      if (++reader_.depth_ > kMostHeight) {
        reader_.fail(reader_.peek().span.start, "expression is nested too deeply",
                     "At most " + std::to_string(kMostHeight) + " levels are possible.");
      }
    }
    ~Level() { --reader_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    TokenReader& reader_;
  };

 private:
  std::string_view query_;
  ParseOptions options_;
  Tokens tokens_;
  std::size_t at_ = 0;
  std::size_t last_end_ = 0;
  int depth_ = 0;
  int regexes_ = 0;
  int selectors_ = 0;
  std::optional<Error> error_;
};

/// The value of a string in quotes, which the lexer has checked.
std::string unquoted(std::string_view literal);

/// What may stand in braces, the braces included.
std::vector<Matcher> parse_matchers(TokenReader& reader);
/// `(a, "b", c)`.
std::vector<std::string> parse_label_names(TokenReader& reader);

/// A number or a duration, as a number of seconds. Fails at anything else.
double parse_number_or_duration(TokenReader& reader);
/// What stands in brackets: a positive duration, or arithmetic on durations.
DurationValue parse_range_duration(TokenReader& reader);
/// What stands behind `offset`, a sign included.
DurationValue parse_offset(TokenReader& reader);

}  // namespace monitoring::promql
