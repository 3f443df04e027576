#include "monitoring/metrics/text_parser.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "monitoring/base/encoding.hpp"

namespace monitoring::metrics {

namespace {

/// The NaN that a text means; the marker of staleness is another, which no text can say.
constexpr std::uint64_t kNanBits = 0x7ff8000000000001;

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_name_start(char c) {
  return is_letter(c) || c == ':';
}

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const std::size_t size = utf8_sequence(text.substr(at));
    if (size == 0) return false;
    at += size;
  }
  return true;
}

/// \\, \n and, in quotes, \"; before anything else a backslash stands for itself.
std::string unescaped(std::string_view text, bool in_quotes) {
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char next = text[i] == '\\' && i + 1 < text.size() ? text[i + 1] : '\0';
    if (next == '\\' || (next == '"' && in_quotes)) {
      plain.push_back(next);
      ++i;
    } else if (next == 'n') {
      plain.push_back('\n');
      ++i;
    } else {
      plain.push_back(text[i]);
    }
  }
  return plain;
}

bool is_known_type(std::string_view type, bool is_openmetrics) {
  static constexpr std::string_view kPrometheus[] = {"counter", "gauge", "histogram", "summary",
                                                     "untyped"};
  static constexpr std::string_view kOpenMetrics[] = {
      "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset", "unknown"};
  return is_openmetrics ? std::find(std::begin(kOpenMetrics), std::end(kOpenMetrics), type) !=
                              std::end(kOpenMetrics)
                        : std::find(std::begin(kPrometheus), std::end(kPrometheus), type) !=
                              std::end(kPrometheus);
}

/// A number as Go's ParseFloat reads it, without underscores and hexadecimal; nullopt for none.
std::optional<double> number_of(std::string_view text) {
  if (text.find_first_of("_xXpP(") != std::string_view::npos) return std::nullopt;
  const bool has_plus = !text.empty() && text[0] == '+';
  if (has_plus) text.remove_prefix(1);
  if (has_plus && !text.empty() && (text[0] == '-' || text[0] == '+')) return std::nullopt;
  double value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size() || problem == std::errc::invalid_argument) {
    return std::nullopt;
  }
  if (problem == std::errc::result_out_of_range) {
    // Too small is a zero or nearly; too large is none.
    value = std::strtod(std::string(text).c_str(), nullptr);
    if (std::isinf(value)) return std::nullopt;
  }
  if (std::isnan(value)) {
    // There is no sign to a NaN in Go.
    if (has_plus || text[0] == '-') return std::nullopt;
    std::memcpy(&value, &kNanBits, sizeof value);
  }
  return value;
}

}  // namespace

bool TextParser::take(std::string_view word) {
  if (text_.compare(at_, word.size(), word) != 0) return false;
  at_ += word.size();
  return true;
}

/// Blanks between tokens, which OpenMetrics does not allow. Whether there were any.
bool TextParser::take_blanks() {
  const std::size_t from = at_;
  while (!is_openmetrics_ && is_blank(peek())) ++at_;
  return at_ > from;
}

void TextParser::skip_line() {
  at_ = std::min(text_.find('\n', at_), text_.size());
}

std::string_view TextParser::rest_of_line() const {
  return text_.substr(at_, std::min(text_.find('\n', at_), text_.size()) - at_);
}

Error TextParser::expected(const char* what) const {
  return Error::at(std::min(at_, text_.size()), std::string("expected ") + what);
}

Result<TextParser::Entry> TextParser::next() {
  if (is_openmetrics_) return next_of_openmetrics();
  while (!at_end()) {
    if (peek() == '\n') {
      ++at_;
      continue;
    }
    if (take_blanks()) continue;
    if (peek() != '#') return read_sample();
    ++at_;
    if (take_blanks()) {
      for (const auto& [word, kind] : {std::pair{"HELP", Entry::kHelp}, {"TYPE", Entry::kType}}) {
        const std::size_t start = at_;
        if (take(word) && take_blanks()) return read_metadata(kind);
        at_ = start;
      }
    }
    skip_line();
  }
  return Entry::kEnd;
}

Result<TextParser::Entry> TextParser::next_of_openmetrics() {
  if (at_end()) return Error::at(text_.size(), "the text does not end with # EOF");
  if (peek() != '#') return read_sample();
  if (take("# HELP ")) return read_metadata(Entry::kHelp);
  if (take("# TYPE ")) return read_metadata(Entry::kType);
  if (take("# UNIT ")) return read_metadata(Entry::kUnit);
  if (!take("# EOF")) return expected("HELP, TYPE, UNIT or EOF after \"# \"");
  take("\n");
  if (!at_end()) return Error::at(at_, "something follows # EOF");
  return Entry::kEnd;
}

Result<TextParser::Entry> TextParser::read_metadata(Entry kind) {
  const std::size_t name_at = at_;
  name_.clear();
  if (peek() == '"') {
    if (auto error = read_quoted(&name_, "the name of a metric")) return std::move(*error);
  } else if (auto error = read_metric_name(&name_)) {
    return std::move(*error);
  }
  std::string_view content = rest_of_line();
  const std::size_t content_at = at_ + 1;
  if (!content.empty() && !is_blank(content[0])) return expected("a blank after the metric's name");
  if (is_openmetrics_ && (content.empty() || content[0] != ' ')) return expected("a text");
  if (is_openmetrics_ && at_ + content.size() == text_.size()) return expected("a new line");
  if (!content.empty()) content.remove_prefix(1);
  content_ = kind == Entry::kHelp ? unescaped(content, is_openmetrics_) : std::string(content);
  if (auto error = check_content(kind, name_at, content_at)) return std::move(*error);
  skip_line();
  if (is_openmetrics_) ++at_;
  return kind;
}

std::optional<Error> TextParser::check_content(Entry kind, std::size_t name_at,
                                               std::size_t content_at) const {
  if (kind == Entry::kType && !is_known_type(content_, is_openmetrics_)) {
    return Error::at(std::min(content_at, text_.size()),
                     "\"" + truncated_bytes(content_, 40) + "\" is no type of a metric");
  }
  if (kind == Entry::kHelp && !is_utf8(content_)) {
    return Error::at(content_at, "the help of a metric is not UTF-8");
  }
  if (kind != Entry::kUnit || content_.empty()) return std::nullopt;
  const std::string suffix = "_" + content_;
  const bool is_suffix = name_.size() >= suffix.size() &&
                         name_.compare(name_.size() - suffix.size(), suffix.size(), suffix) == 0;
  if (is_suffix) return std::nullopt;
  return Error::at(name_at, "the name of the metric does not end with its unit, \"" +
                                truncated_bytes(content_, 40) + "\"");
}

std::optional<Error> TextParser::read_metric_name(std::string* name) {
  if (!is_name_start(peek())) return expected("the name of a metric");
  const std::size_t from = at_;
  while (!at_end() && (is_name_start(peek()) || is_digit(peek()))) ++at_;
  name->assign(text_.substr(from, at_ - from));
  return std::nullopt;
}

std::optional<Error> TextParser::read_quoted(std::string* text, const char* what) {
  if (peek() != '"') return expected(what);
  const std::size_t from = ++at_;
  while (!at_end() && peek() != '"') {
    if (is_openmetrics_ && peek() == '\n') break;
    at_ += peek() == '\\' ? 2 : 1;
  }
  if (at_end() || peek() != '"') return Error::at(from - 1, "a quote is not closed");
  const std::string_view quoted = text_.substr(from, at_++ - from);
  if (!is_utf8(quoted)) return Error::at(from, std::string(what) + " is not UTF-8");
  *text = unescaped(quoted, true);
  return std::nullopt;
}

std::optional<Error> TextParser::add_label(std::string name, std::string value, std::size_t at) {
  if (labels_.has(name)) {
    return Error::at(at, "label \"" + truncated_bytes(name, 40) + "\" is there twice");
  }
  labels_.set(std::move(name), std::move(value));
  return std::nullopt;
}

std::optional<Error> TextParser::read_label(std::string* name, bool may_be_metric_name) {
  const std::size_t label_at = at_;
  const bool is_quoted = peek() == '"';
  if (is_quoted) {
    if (auto error = read_quoted(name, "the name of a label")) return error;
  } else {
    if (!is_letter(peek())) return expected("the name of a label");
    while (!at_end() && (is_letter(peek()) || is_digit(peek()))) ++at_;
    name->assign(text_.substr(label_at, at_ - label_at));
  }
  take_blanks();
  // A name in quotes without a value is that of the metric.
  if (is_quoted && may_be_metric_name && peek() != '=') {
    std::string metric = std::move(*name);
    return add_label(std::string(kMetricNameLabel), std::move(metric), label_at);
  }
  if (!take("=")) return expected("=");
  take_blanks();
  std::string value;
  if (auto error = read_quoted(&value, "the value of a label")) return error;
  return add_label(std::move(*name), std::move(value), label_at);
}

/// From behind the opening brace up to behind the closing one.
std::optional<Error> TextParser::read_label_list(bool may_have_metric_name) {
  std::string name;
  take_blanks();
  while (!take("}")) {
    if (auto error = read_label(&name, may_have_metric_name)) return error;
    take_blanks();
    if (take("}")) break;
    if (!take(",")) return expected("a comma or a closing brace");
    take_blanks();
    // A comma after the last label is fine in the older format only.
    if (is_openmetrics_ && peek() == '}') return expected("the name of a label");
  }
  return std::nullopt;
}

std::optional<Error> TextParser::read_number(double* value, const char* what) {
  if (is_openmetrics_ ? !take(" ") : (take_blanks(), false)) return expected(what);
  const std::size_t from = at_;
  while (!at_end() && peek() != '\n' && peek() != ' ' && (is_openmetrics_ || peek() != '\t')) ++at_;
  if (at_ == from) return expected(what);
  const std::string_view token = text_.substr(from, at_ - from);
  const std::optional<double> number = number_of(token);
  if (!number) {
    return Error::at(from, "\"" + truncated_bytes(valid_utf8(token), 40) + "\" is no number");
  }
  *value = *number;
  return std::nullopt;
}

std::optional<Error> TextParser::read_seconds(const char* what, std::int64_t* time_ms) {
  const std::size_t from = at_;
  double seconds = 0;
  if (auto error = read_number(&seconds, what)) return error;
  // Far beyond any time, and far from where the conversion ends.
  if (!(std::fabs(seconds) < 1e15)) {
    return Error::at(from, std::string(what) + " is not finite, or out of range");
  }
  *time_ms = static_cast<std::int64_t>(seconds * 1000);
  return std::nullopt;
}

/// Of the older format: whole milliseconds.
std::optional<Error> TextParser::read_time() {
  std::string_view token = rest_of_line();
  token = token.substr(0, std::min(token.find_first_of(" \t"), token.size()));
  std::int64_t time_ms = 0;
  const std::string_view digits = token.substr(!token.empty() && token[0] == '+' ? 1 : 0);
  const auto [end, problem] =
      std::from_chars(digits.data(), digits.data() + digits.size(), time_ms);
  if (problem != std::errc() || end != digits.data() + digits.size()) {
    return expected("a time in milliseconds, or a new line");
  }
  time_ms_ = time_ms;
  at_ += token.size();
  return std::nullopt;
}

/// From behind " # ": it is looked at and left out.
std::optional<Error> TextParser::read_exemplar() {
  if (!take("{")) return expected("the labels of an exemplar");
  const Labels of_sample = std::move(labels_);
  labels_ = Labels();
  const auto error = read_label_list(false);
  labels_ = of_sample;
  if (error) return error;
  double value = 0;
  if (auto problem = read_number(&value, "the value of an exemplar")) return problem;
  std::int64_t time_ms = 0;
  if (peek() == ' ') return read_seconds("the time of an exemplar", &time_ms);
  return std::nullopt;
}

std::optional<Error> TextParser::finish_sample() {
  time_ms_.reset();
  if (!is_openmetrics_) {
    take_blanks();
    if (!at_end() && peek() != '\n') {
      if (auto error = read_time()) return error;
    }
    take_blanks();
    return at_end() || peek() == '\n' ? std::nullopt : std::optional(expected("a new line"));
  }
  if (peek() == ' ' && text_.compare(at_, 3, " # ") != 0) {
    std::int64_t time_ms = 0;
    if (auto error = read_seconds("the time of a sample", &time_ms)) return error;
    time_ms_ = time_ms;
  }
  if (take(" # ")) {
    if (auto error = read_exemplar()) return error;
  }
  return take("\n") ? std::nullopt : std::optional(expected("a new line"));
}

Result<TextParser::Entry> TextParser::read_sample() {
  const std::size_t from = at_;
  labels_ = Labels();
  if (peek() != '{') {
    if (auto error = read_metric_name(&name_)) return std::move(*error);
    labels_.set(std::string(kMetricNameLabel), name_);
    take_blanks();
  }
  if (take("{")) {
    if (auto error = read_label_list(!labels_.has(kMetricNameLabel))) return std::move(*error);
  }
  if (labels_.get(kMetricNameLabel).empty()) return Error::at(from, "the metric has no name");
  if (auto error = read_number(&value_, "a value")) return std::move(*error);
  if (auto error = finish_sample()) return std::move(*error);
  return Entry::kSample;
}

TextPlace place_of(std::string_view text, std::size_t position) {
  const std::string_view before = text.substr(0, std::min(position, text.size()));
  const std::size_t line_start = before.rfind('\n') + 1;
  return {static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')) + 1,
          before.size() - line_start + 1};
}

}  // namespace monitoring::metrics
