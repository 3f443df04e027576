// The functions that Go's text/template itself has.

#include <algorithm>
#include <cmath>

#include "template/functions.hpp"
#include "template/go_format.hpp"
#include "template/go_text.hpp"

namespace monitoring::templates {

namespace {

enum class Kind { kBool, kInt, kFloat, kText, kOther };

Kind kind_of(const Value& value) {
  if (value.as<bool>() != nullptr) return Kind::kBool;
  if (value.as<std::int64_t>() != nullptr || value.as<GoDuration>() != nullptr) return Kind::kInt;
  if (value.as<double>() != nullptr) return Kind::kFloat;
  if (value.text() != nullptr) return Kind::kText;
  return Kind::kOther;
}

std::int64_t integer_of(const Value& value) {
  if (const auto* duration = value.as<GoDuration>()) return duration->nanos;
  return *value.as<std::int64_t>();
}

constexpr char kIncompatible[] = "incompatible types for comparison";
constexpr char kBadType[] = "invalid type for comparison";

/// Go compares values of one kind only: an int literal never equals a float64.
std::optional<std::string> equal(const Value& a, const Value& b, bool& result) {
  if (a.is_nil() || b.is_nil()) {
    result = a.is_nil() && b.is_nil();
    return std::nullopt;
  }
  const auto kind = kind_of(a);
  if (kind == Kind::kOther || kind_of(b) == Kind::kOther) {
    return "non-comparable type " + (kind == Kind::kOther ? a : b).type_name();
  }
  if (kind != kind_of(b)) return kIncompatible;
  switch (kind) {
    case Kind::kBool:
      result = *a.as<bool>() == *b.as<bool>();
      break;
    case Kind::kInt:
      result = integer_of(a) == integer_of(b);
      break;
    case Kind::kFloat:
      result = *a.as<double>() == *b.as<double>();
      break;
    default:
      result = *a.text() == *b.text();
  }
  return std::nullopt;
}

std::optional<std::string> less(const Value& a, const Value& b, bool& result) {
  const auto kind = kind_of(a);
  const auto orderable = [](Kind k) { return k != Kind::kOther && k != Kind::kBool; };
  if (!orderable(kind) || !orderable(kind_of(b))) return kBadType;
  if (kind != kind_of(b)) return kIncompatible;
  if (kind == Kind::kInt) {
    result = integer_of(a) < integer_of(b);
  } else if (kind == Kind::kFloat) {
    result = *a.as<double>() < *b.as<double>();
  } else {
    result = *a.text() < *b.text();
  }
  return std::nullopt;
}

Value eq(FunctionCall& call) {
  const auto& first = call.arguments[0];
  if (call.arguments.size() == 1) return call.fail("missing argument for comparison");
  for (std::size_t i = 1; i < call.arguments.size(); ++i) {
    bool same = false;
    if (auto wrong = equal(first, call.arguments[i], same)) return call.fail(*wrong);
    if (same) return true;
  }
  return false;
}

Value ne(FunctionCall& call) {
  bool same = false;
  if (auto wrong = equal(call.arguments[0], call.arguments[1], same)) return call.fail(*wrong);
  return !same;
}

Value lt(FunctionCall& call) {
  bool result = false;
  if (auto wrong = less(call.arguments[0], call.arguments[1], result)) return call.fail(*wrong);
  return result;
}

/// Go's own: less or equal, so that NaN is neither.
Value le(FunctionCall& call) {
  bool result = false;
  if (auto wrong = less(call.arguments[0], call.arguments[1], result)) return call.fail(*wrong);
  if (result) return true;
  if (auto wrong = equal(call.arguments[0], call.arguments[1], result)) return call.fail(*wrong);
  return result;
}

/// Go's own: not less or equal, so that NaN is greater than everything.
Value gt(FunctionCall& call) {
  const auto result = le(call);
  return call.error ? Value() : Value(!result.truth());
}

Value ge(FunctionCall& call) {
  const auto result = lt(call);
  return call.error ? Value() : Value(!result.truth());
}

Value logical_not(FunctionCall& call) {
  return !call.arguments[0].truth();
}

/// `and` and `or` are run by the evaluator; what reaches this table has one value.
Value last(FunctionCall& call) {
  return call.arguments.back();
}

Value len(FunctionCall& call) {
  const auto& value = call.arguments[0];
  if (const auto* text = value.text()) return static_cast<std::int64_t>(text->size());
  if (const auto* list = value.as_list()) return static_cast<std::int64_t>(list->items.size());
  if (const auto* map = value.as_map()) return static_cast<std::int64_t>(map->entries.size());
  if (value.is_nil()) return call.fail("len of nil pointer");
  return call.fail("len of type " + value.type_name());
}

Value zero_of(MapType type) {
  return type == MapType::kAny ? Value() : Value("");
}

/// One step of `index`. Go's index on a nil map or list is an error, and so it is here.
Value index_one(FunctionCall& call, const Value& container, const Value& key) {
  const auto* text = container.text();
  const auto* list = container.as_list();
  if (text != nullptr || list != nullptr) {
    const auto* position = key.as<std::int64_t>();
    if (position == nullptr)
      return call.fail("cannot index slice/array with type " + key.type_name());
    const auto size = text != nullptr ? text->size() : list->items.size();
    if (*position < 0 || static_cast<std::uint64_t>(*position) >= size) {
      return call.fail("index out of range: " + std::to_string(*position));
    }
    const auto at = static_cast<std::size_t>(*position);
    if (text == nullptr) return list->items[at];
    return static_cast<std::int64_t>(static_cast<unsigned char>((*text)[at]));
  }
  const auto* map = container.as_map();
  if (map == nullptr) {
    return call.fail(container.is_nil() ? "index of untyped nil"
                                        : "can't index item of type " + container.type_name());
  }
  if (key.text() == nullptr) {
    return call.fail("value has type " + key.type_name() + "; should be string");
  }
  const auto found = map->entries.find(*key.text());
  return found == map->entries.end() ? zero_of(map->type) : found->second;
}

Value index(FunctionCall& call) {
  Value value = call.arguments[0];
  for (std::size_t i = 1; i < call.arguments.size() && !call.error; ++i) {
    value = index_one(call, value, call.arguments[i]);
  }
  return value;
}

Value slice(FunctionCall& call) {
  const auto& value = call.arguments[0];
  const auto* text = value.text();
  const auto* list = value.as_list();
  if (text == nullptr && list == nullptr) {
    return call.fail("can't slice item of type " + value.type_name());
  }
  if (call.arguments.size() > 3) {
    return call.fail("too many slice indexes: " + std::to_string(call.arguments.size() - 1));
  }
  const auto size = static_cast<std::int64_t>(text != nullptr ? text->size() : list->items.size());
  std::int64_t bounds[2] = {0, size};
  for (std::size_t i = 1; i < call.arguments.size(); ++i) {
    const auto* given = call.arguments[i].as<std::int64_t>();
    if (given == nullptr) {
      return call.fail("cannot index slice/array with type " + call.arguments[i].type_name());
    }
    if (*given < 0 || *given > size)
      return call.fail("index out of range: " + std::to_string(*given));
    bounds[i - 1] = *given;
  }
  if (bounds[0] > bounds[1]) {
    return call.fail("invalid slice index: " + std::to_string(bounds[0]) + " > " +
                     std::to_string(bounds[1]));
  }
  const auto from = static_cast<std::size_t>(bounds[0]);
  const auto to = static_cast<std::size_t>(bounds[1]);
  if (text != nullptr) return text->substr(from, to - from);
  return Value::list(list->type,
                     {list->items.begin() + bounds[0], list->items.begin() + bounds[1]});
}

Value print(FunctionCall& call) {
  return go_sprint(call.arguments, call.limit());
}
Value println(FunctionCall& call) {
  return go_sprintln(call.arguments, call.limit());
}

Value printf(FunctionCall& call) {
  const std::vector<Value> operands(call.arguments.begin() + 1, call.arguments.end());
  return go_sprintf(call.text(0), operands, call.limit());
}

/// html, js and urlquery take any values and work on what print makes of them, where pointers are
/// followed and nil is said as an action says it.
std::string printed(FunctionCall& call) {
  if (call.arguments.size() == 1 && call.arguments[0].text() != nullptr) return call.text(0);
  std::vector<Value> shown;
  for (const Value& value : call.arguments) {
    if (value.is_nil()) {
      shown.emplace_back("<no value>");
    } else if (value.as_object() != nullptr) {
      shown.push_back(value.pointee());
    } else {
      shown.push_back(value);
    }
  }
  return go_sprint(shown, call.limit());
}

Value html(FunctionCall& call) {
  return escape_html(printed(call));
}
Value js(FunctionCall& call) {
  return escape_js(printed(call));
}
Value urlquery(FunctionCall& call) {
  return escape_query(printed(call));
}

constexpr FunctionSpec kFunctions[] = {
    {"and", "aa*", last},   {"or", "aa*", last},        {"not", "a", logical_not},
    {"eq", "aa*", eq},      {"ne", "aa", ne},           {"lt", "aa", lt},
    {"le", "aa", le},       {"gt", "aa", gt},           {"ge", "aa", ge},
    {"len", "a", len},      {"index", "aa*", index},    {"slice", "aa*", slice},
    {"print", "a*", print}, {"println", "a*", println}, {"printf", "sa*", printf},
    {"html", "a*", html},   {"js", "a*", js},           {"urlquery", "a*", urlquery},
};

/// What Go calls the type that a parameter letter stands for.
std::string_view wanted_type(char letter) {
  switch (letter) {
    case 's':
      return "string";
    case 'q':
      return "template.queryResult";
    case 'o':
      return "*template.sample";
    case 'l':
      return "[]string";
    case 'k':
      return "[]interface {}";
    case 't':
      return "time.Time";
    case 'i':
      return "int";
    case 'm':
      return "template.KV";
    default:
      return "interface {}";
  }
}

bool fits(char letter, const Value& value) {
  const auto* list = value.as_list();
  switch (letter) {
    case 's':  // template.HTML is none
      return value.as<std::string>() != nullptr;
    case 'q':
      return list != nullptr && list->type == ListType::kQueryResult;
    case 'o':
      return value.as_object() != nullptr && value.as_object()->type_name == "template.sample";
    case 'l':
      return list != nullptr && list->type == ListType::kStrings;
    case 'k':
      return list != nullptr;
    case 't':
      return value.as<GoTime>() != nullptr;
    case 'i':
      return value.as<std::int64_t>() != nullptr;
    case 'm':
      return value.as_map() != nullptr;
    default:
      return true;
  }
}

}  // namespace

const FunctionSpec* find_go_function(std::string_view name) {
  return find_in(kFunctions, name);
}

const FunctionSpec* find_function(Dialect dialect, std::string_view name) {
  if (const auto* spec = find_go_function(name)) return spec;
  const auto* own = dialect == Dialect::kPrometheus ? find_prometheus_function(name)
                                                    : find_alertmanager_function(name);
  return own != nullptr ? own : find_common_function(name);
}

std::optional<std::string> check_arguments(const FunctionSpec& spec,
                                           const std::vector<Value>& arguments) {
  const auto& parameters = spec.parameters;
  const bool variadic = !parameters.empty() && parameters.back() == '*';
  const std::size_t least = variadic ? parameters.size() - 2 : parameters.size();
  if (arguments.size() < least || (!variadic && arguments.size() > least)) {
    return "wrong number of args for " + std::string(spec.name) + ": want " +
           (variadic ? "at least " : "") + std::to_string(least) + " got " +
           std::to_string(arguments.size());
  }
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const char letter = i < least ? parameters[i] : parameters[parameters.size() - 2];
    if (fits(letter, arguments[i])) continue;
    const std::string wanted(wanted_type(letter));
    if (arguments[i].is_nil()) return "invalid value; expected " + wanted;
    return "wrong type for value; expected " + wanted + "; got " + arguments[i].type_name();
  }
  return std::nullopt;
}

}  // namespace monitoring::templates
