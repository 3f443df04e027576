// The functions that only Alertmanager's templates have.

#include <algorithm>
#include <cmath>

#include "template/functions.hpp"
#include "template/go_format.hpp"
#include "template/go_text.hpp"
#include "template/go_time.hpp"

namespace monitoring::templates {

namespace {

Value safe_url(FunctionCall& call) {
  return SafeText{call.text(0)};
}

Value url_unescape(FunctionCall& call) {
  auto text = unescape_query(call.text(0));
  if (!text) return call.fail("invalid URL escape in " + go_quote(call.text(0)));
  return std::move(*text);
}

Value title(FunctionCall& call) {
  return to_title_case(call.text(0));
}

Value date(FunctionCall& call) {
  return format_go_time(*call.arguments[1].as<GoTime>(), call.text(0));
}

Value since(FunctionCall& call) {
  const auto now = GoTime::from(call.context.now);
  const auto& then = *call.arguments[0].as<GoTime>();
  const auto seconds = now.seconds - then.seconds;
  constexpr std::int64_t kMost = 9'000'000'000;  // about Go's 290 years
  const auto bounded = std::clamp(seconds, -kMost, kMost);
  return GoDuration{bounded * 1'000'000'000 + now.nanos - then.nanos};
}

Value json(FunctionCall& call) {
  return to_json(call.arguments[0], call.limit());
}
Value encode(FunctionCall& call) {
  return base64_encode(call.text(0));
}

Value decode(FunctionCall& call) {
  auto text = base64_decode(call.text(0));
  if (!text) return call.fail("illegal base64 data");
  return std::move(*text);
}

Value dict(FunctionCall& call) {
  if (call.arguments.size() % 2 != 0) {
    return call.fail("dict requires an even number of arguments");
  }
  std::map<std::string, Value> entries;
  for (std::size_t i = 0; i < call.arguments.size(); i += 2) {
    if (call.arguments[i].text() == nullptr) return call.fail("dict keys must be strings");
    entries[call.text(i)] = call.arguments[i + 1];
  }
  return Value::map(MapType::kAny, std::move(entries));
}

Value list(FunctionCall& call) {
  return Value::list(ListType::kAny, call.arguments);
}

Value append(FunctionCall& call) {
  auto items = call.arguments[0].as_list()->items;
  items.insert(items.end(), call.arguments.begin() + 1, call.arguments.end());
  return Value::list(ListType::kAny, std::move(items));
}

constexpr FunctionSpec kFunctions[] = {
    {"safeUrl", "s", safe_url},    {"urlUnescape", "s", url_unescape},
    {"title", "s", title},         {"date", "st", date},
    {"since", "t", since},         {"toJson", "a", json},
    {"base64encode", "s", encode}, {"base64decode", "s", decode},
    {"dict", "a*", dict},          {"list", "a*", list},
    {"append", "ka*", append},
};

}  // namespace

const FunctionSpec* find_alertmanager_function(std::string_view name) {
  return find_in(kFunctions, name);
}

}  // namespace monitoring::templates
