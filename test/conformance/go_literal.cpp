#include "go_literal.hpp"

#include <cmath>
#include <cstdlib>
#include <limits>

#include "monitoring/template/template.hpp"

namespace monitoring::conformance {

namespace {

using templates::ListType;
using templates::Value;

/// Numbers, + - *, parentheses, and the names of package math.
class Arithmetic {
 public:
  explicit Arithmetic(const std::string& text) : text_(text) {}

  std::optional<double> run() {
    const double value = sum();
    skip_spaces();
    if (bad_ || at_ != text_.size()) return std::nullopt;
    return value;
  }

 private:
  void skip_spaces() { at_ = std::min(text_.find_first_not_of(' ', at_), text_.size()); }

  bool take(const std::string& word) {
    skip_spaces();
    if (text_.compare(at_, word.size(), word) != 0) return false;
    at_ += word.size();
    return true;
  }

  double sum() {
    double value = product();
    while (!bad_) {
      if (take("+")) {
        value += product();
      } else if (take("-")) {
        value -= product();
      } else {
        break;
      }
    }
    return value;
  }

  double product() {
    double value = atom();
    while (!bad_ && take("*")) value *= atom();
    return value;
  }

  double atom() {
    if (take("-")) return -atom();
    if (take("math.Inf(1)")) return std::numeric_limits<double>::infinity();
    if (take("math.Inf(-1)")) return -std::numeric_limits<double>::infinity();
    if (take("math.NaN()")) return std::numeric_limits<double>::quiet_NaN();
    if (take("(")) {
      const double inner = sum();
      bad_ = bad_ || !take(")");
      return inner;
    }
    skip_spaces();
    char* end = nullptr;
    const double number = std::strtod(text_.c_str() + at_, &end);
    const auto next = static_cast<std::size_t>(end - text_.c_str());
    bad_ = bad_ || next == at_;
    at_ = next;
    return number;
  }

  const std::string& text_;
  std::size_t at_ = 0;
  bool bad_ = false;
};

/// Splits at commas outside of parentheses.
std::vector<std::string> split_items(const std::string& body) {
  std::vector<std::string> items(1);
  int depth = 0;
  for (const char c : body) {
    if (c == '(') ++depth;
    if (c == ')') --depth;
    if (c == ',' && depth == 0) {
      items.emplace_back();
    } else {
      items.back() += c;
    }
  }
  if (items.back().find_first_not_of(' ') == std::string::npos) items.pop_back();
  return items;
}

std::string trimmed(const std::string& text) {
  const auto from = text.find_first_not_of(' ');
  return from == std::string::npos ? "" : text.substr(from, text.find_last_not_of(' ') - from + 1);
}

std::optional<Value> item_value(const std::string& item, bool is_float) {
  if (item == "math.MaxInt64") return Value(std::numeric_limits<std::int64_t>::max());
  if (item == "math.MinInt64") return Value(std::numeric_limits<std::int64_t>::min());
  const auto number = Arithmetic(item).run();
  if (!number) return std::nullopt;
  return is_float ? Value(*number) : Value(static_cast<std::int64_t>(*number));
}

}  // namespace

std::vector<std::string> go_strings(const std::string& source) {
  std::vector<std::string> found;
  for (std::size_t at = 0; at < source.size(); ++at) {
    const char quote = source[at];
    if (quote != '"' && quote != '`') continue;
    const auto end = source.find(quote, at + 1);
    if (end == std::string::npos) break;
    found.push_back(source.substr(at + 1, end - at - 1));
    at = end;
  }
  return found;
}

std::optional<Value> go_list(const std::string& literal) {
  const auto open = literal.find('{');
  if (open == std::string::npos || literal.back() != '}') return std::nullopt;
  const auto type = literal.substr(0, open);
  if (type == "[]string") return Value::strings(go_strings(literal));
  const bool is_float = type == "[]float64";
  if (!is_float && type != "[]int64" && type != "[]int") return std::nullopt;
  std::vector<Value> items;
  for (const auto& text : split_items(literal.substr(open + 1, literal.size() - open - 2))) {
    const auto item = item_value(trimmed(text), is_float);
    if (!item) return std::nullopt;
    items.push_back(*item);
  }
  return Value::list(is_float ? ListType::kFloats : ListType::kInts, std::move(items));
}

std::optional<Value> go_vector(const std::string& literal) {
  if (literal.rfind("promql.Vector{", 0) != 0) return std::nullopt;
  std::vector<Value> samples;
  static const std::string kLabels = "labels.FromStrings(";
  static const std::string kValue = "V: ";
  for (auto at = literal.find(kLabels); at != std::string::npos; at = literal.find(kLabels, at)) {
    at += kLabels.size();
    auto source = literal.substr(at, literal.find(')', at) - at);
    const auto name = source.find("labels.MetricName");
    if (name != std::string::npos) source.replace(name, 17, "\"__name__\"");
    const auto texts = go_strings(source);
    Labels labels;
    for (std::size_t i = 0; i + 1 < texts.size(); i += 2) labels.set(texts[i], texts[i + 1]);
    const auto value_at = literal.find(kValue, at);
    if (value_at == std::string::npos) return std::nullopt;
    const double value = std::strtod(literal.c_str() + value_at + kValue.size(), nullptr);
    samples.push_back(templates::query_sample(labels, value));
  }
  return Value::list(ListType::kQueryResult, std::move(samples));
}

}  // namespace monitoring::conformance
