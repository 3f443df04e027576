// The functions of Prometheus' package template, and those that Alertmanager has as well.

#include <algorithm>
#include <cmath>
#include <limits>

#include "template/functions.hpp"
#include "template/go_format.hpp"
#include "template/go_text.hpp"
#include "template/go_time.hpp"
#include "template/regex_functions.hpp"

namespace monitoring::templates {

namespace {

/// convertToFloat: numbers, durations in seconds, and text that is a number.
std::optional<double> to_float(FunctionCall& call, const Value& value) {
  if (const auto* number = value.as<double>()) return *number;
  if (const auto* integer = value.as<std::int64_t>()) return static_cast<double>(*integer);
  if (const auto* duration = value.as<GoDuration>()) {
    return static_cast<double>(duration->nanos) / 1e9;
  }
  if (const auto* text = value.as<std::string>()) {
    const auto parsed = parse_go_float(*text);
    if (!parsed) call.fail("strconv.ParseFloat: parsing " + go_quote(*text) + ": invalid syntax");
    return parsed;
  }
  call.fail("can't convert " + value.type_name() + " to float");
  return std::nullopt;
}

std::string four_digits(double value) {
  return format_go_float(value, 'g', 4);
}

constexpr std::string_view kLargePrefixes[] = {"k", "M", "G", "T", "P", "E", "Z", "Y"};
constexpr std::string_view kSmallPrefixes[] = {"m", "u", "n", "p", "f", "a", "z", "y"};
constexpr std::string_view kBinaryPrefixes[] = {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};

/// Divides by 1000 or 1024 while the value is at least that, naming the power.
std::string scaled_down(double value, double base, const std::string_view (&prefixes)[8]) {
  std::string_view prefix;
  for (const auto next : prefixes) {
    if (std::fabs(value) < base) break;
    prefix = next;
    value /= base;
  }
  return four_digits(value) + std::string(prefix);
}

std::string scaled_up(double value) {
  std::string_view prefix;
  for (const auto next : kSmallPrefixes) {
    if (std::fabs(value) >= 1) break;
    prefix = next;
    value *= 1000;
  }
  return four_digits(value) + std::string(prefix);
}

Value humanize(FunctionCall& call) {
  const auto value = to_float(call, call.arguments[0]);
  if (!value) return {};
  if (*value == 0 || !std::isfinite(*value)) return four_digits(*value);
  return std::fabs(*value) >= 1 ? scaled_down(*value, 1000, kLargePrefixes) : scaled_up(*value);
}

Value humanize1024(FunctionCall& call) {
  const auto value = to_float(call, call.arguments[0]);
  if (!value) return {};
  if (std::fabs(*value) <= 1 || !std::isfinite(*value)) return four_digits(*value);
  return scaled_down(*value, 1024, kBinaryPrefixes);
}

std::string long_duration(double magnitude, const std::string& sign) {
  // Beyond int64 Go on amd64 has the smallest one; there is no better answer.
  constexpr double kBeyond = 9223372036854775808.0;
  const auto total = magnitude < kBeyond ? static_cast<std::int64_t>(magnitude)
                                         : std::numeric_limits<std::int64_t>::min();
  const auto seconds = std::to_string(total % 60) + "s";
  const auto minutes = std::to_string(total / 60 % 60) + "m ";
  const auto hours = std::to_string(total / 3600 % 24) + "h ";
  const auto days = total / 86400;
  if (days != 0) return sign + std::to_string(days) + "d " + hours + minutes + seconds;
  if (total >= 3600) return sign + hours + minutes + seconds;
  if (total >= 60) return sign + minutes + seconds;
  return sign + four_digits(magnitude) + "s";
}

Value humanize_duration(FunctionCall& call) {
  const auto value = to_float(call, call.arguments[0]);
  if (!value) return {};
  if (!std::isfinite(*value)) return four_digits(*value);
  if (*value == 0) return four_digits(*value) + "s";
  if (std::fabs(*value) < 1) return scaled_up(*value) + "s";
  return long_duration(std::fabs(*value), *value < 0 ? "-" : "");
}

Value humanize_percentage(FunctionCall& call) {
  const auto value = to_float(call, call.arguments[0]);
  return value ? Value(four_digits(*value * 100) + "%") : Value();
}

/// Seconds since the epoch, kept to the millisecond, as an instant that nanoseconds can express.
std::optional<GoTime> float_to_time(FunctionCall& call, double seconds) {
  const double nanos = seconds * 1e9;
  constexpr double kMost = 9223372036854775807.0;
  if (!(nanos < kMost && nanos >= -kMost)) {
    call.fail(format_go_float(seconds, 'g', -1) +
              " cannot be represented as a nanoseconds timestamp since it overflows int64");
    return std::nullopt;
  }
  const auto millis = static_cast<std::int64_t>(nanos) / 1'000'000;
  auto whole = millis / 1000;
  auto rest = millis % 1000;
  if (rest < 0) {
    rest += 1000;
    --whole;
  }
  return GoTime{whole, static_cast<std::int32_t>(rest * 1'000'000)};
}

Value humanize_timestamp(FunctionCall& call) {
  const auto value = to_float(call, call.arguments[0]);
  if (!value) return {};
  if (!std::isfinite(*value)) return four_digits(*value);
  const auto time = float_to_time(call, *value);
  return time ? Value(go_time_text(*time)) : Value();
}

Value to_time(FunctionCall& call) {
  const auto value = to_float(call, call.arguments[0]);
  if (!value) return {};
  const auto time = float_to_time(call, *value);
  return time ? Value(*time) : Value();
}

Value to_duration(FunctionCall& call) {
  const auto value = to_float(call, call.arguments[0]);
  if (!value) return {};
  const double nanos = *value * 1e9;
  if (!(std::fabs(nanos) < 9.2e18)) {
    return call.fail(format_go_float(*value, 'g', -1) +
                     " cannot be represented as a nanoseconds duration since it overflows int64");
  }
  return GoDuration{static_cast<std::int64_t>(nanos)};
}

Value now(FunctionCall& call) {
  return static_cast<double>(call.context.now.time_since_epoch().count()) / 1e6;
}

Value parse_duration(FunctionCall& call) {
  const auto seconds = parse_prometheus_duration(call.text(0));
  if (!seconds) return call.fail("not a valid duration string: " + go_quote(call.text(0)));
  return *seconds;
}

Value query(FunctionCall& call) {
  if (!call.context.query) return call.fail("queries are not available here");
  auto result = call.context.query(call.text(0));
  if (!result.ok()) return call.fail(result.error().message);
  return std::move(result).value();
}

Value first(FunctionCall& call) {
  const auto& items = call.arguments[0].as_list()->items;
  if (items.empty()) return call.fail("first() called on vector with no elements");
  return items[0];
}

const Value& sample_field(const Value& sample, std::string_view name) {
  return *find_field(*sample.as_object(), name);
}

std::string sample_label(const Value& sample, const std::string& name) {
  const auto& labels = sample_field(sample, "Labels").as_map()->entries;
  const auto found = labels.find(name);
  return found == labels.end() ? std::string() : *found->second.text();
}

Value label(FunctionCall& call) {
  return sample_label(call.arguments[1], call.text(0));
}
Value value(FunctionCall& call) {
  return sample_field(call.arguments[0], "Value");
}
Value strvalue(FunctionCall& call) {
  return sample_label(call.arguments[0], "__value__");
}

Value sort_by_label(FunctionCall& call) {
  auto items = call.arguments[1].as_list()->items;
  const auto& name = call.text(0);
  std::stable_sort(items.begin(), items.end(), [&](const Value& a, const Value& b) {
    return sample_label(a, name) < sample_label(b, name);
  });
  return Value::list(ListType::kQueryResult, std::move(items));
}

Value args(FunctionCall& call) {
  std::map<std::string, Value> entries;
  for (std::size_t i = 0; i < call.arguments.size(); ++i) {
    entries.emplace("arg" + std::to_string(i), call.arguments[i]);
  }
  return Value::map(MapType::kAny, std::move(entries));
}

Value tmpl(FunctionCall& call) {
  auto made = call.execute(call.text(0), call.arguments[1]);
  return made ? Value(SafeText{std::move(*made)}) : Value();
}

Value graph_link(FunctionCall& call) {
  return "/graph?g0.expr=" + escape_query(call.text(0)) + "&g0.tab=0";
}

Value table_link(FunctionCall& call) {
  return "/graph?g0.expr=" + escape_query(call.text(0)) + "&g0.tab=1";
}

Value external_url(FunctionCall& call) {
  return call.context.external_url;
}

/// The path of the external URL.
Value path_prefix(FunctionCall& call) {
  const auto& url = call.context.external_url;
  const auto scheme = url.find("://");
  const auto path = url.find('/', scheme == std::string::npos ? 0 : scheme + 3);
  if (path == std::string::npos) return "";
  return url.substr(path, url.find_first_of("?#", path) - path);
}

/// A host with its port, as net.SplitHostPort takes it apart; none where there is no port.
struct HostPort {
  std::string host;
  std::string port;
};

std::optional<HostPort> split_host_port(const std::string& text) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  HostPort result{text.substr(0, colon), text.substr(colon + 1)};
  if (result.host.size() >= 2 && result.host.front() == '[' && result.host.back() == ']') {
    result.host = result.host.substr(1, result.host.size() - 2);
    return result.host.find_first_of("[]") == std::string::npos ? std::make_optional(result)
                                                                : std::nullopt;
  }
  if (result.host.find_first_of(":[]") != std::string::npos) return std::nullopt;
  return result;
}

bool is_ip_address(const std::string& host) {
  if (host.find(':') != std::string::npos) {
    return host.find_first_not_of("0123456789abcdefABCDEF:.") == std::string::npos;
  }
  return std::count(host.begin(), host.end(), '.') == 3 &&
         host.find_first_not_of("0123456789.") == std::string::npos;
}

Value strip_port(FunctionCall& call) {
  const auto parts = split_host_port(call.text(0));
  return parts ? Value(parts->host) : Value(call.text(0));
}

Value strip_domain(FunctionCall& call) {
  const auto parts = split_host_port(call.text(0));
  const auto host = parts ? parts->host : call.text(0);
  if (is_ip_address(host)) return call.text(0);
  const auto name = host.substr(0, host.find('.'));
  return parts ? name + ":" + parts->port : name;
}

Value title(FunctionCall& call) {
  return to_title(call.text(0));
}
Value upper(FunctionCall& call) {
  return to_upper(call.text(0));
}
Value lower(FunctionCall& call) {
  return to_lower(call.text(0));
}
Value safe_html(FunctionCall& call) {
  return SafeText{call.text(0)};
}

Value join(FunctionCall& call) {
  std::string out;
  bool is_first = true;
  for (const auto& item : call.arguments[1].as_list()->items) {
    if (!is_first) out += call.text(0);
    is_first = false;
    out += *item.text();
    if (out.size() > call.limit()) break;
  }
  return out;
}

Value trim_space(FunctionCall& call) {
  static constexpr std::string_view kSpaces = " \t\n\v\f\r";
  const auto& text = call.text(0);
  const auto from = text.find_first_not_of(kSpaces);
  if (from == std::string::npos) return "";
  return text.substr(from, text.find_last_not_of(kSpaces) - from + 1);
}

Value string_slice(FunctionCall& call) {
  return Value::list(ListType::kStrings, call.arguments);
}

constexpr FunctionSpec kPrometheusFunctions[] = {
    {"query", "s", query},
    {"first", "q", first},
    {"label", "so", label},
    {"value", "o", value},
    {"strvalue", "o", strvalue},
    {"sortByLabel", "sq", sort_by_label},
    {"args", "a*", args},
    {"tmpl", "sa", tmpl},
    {"humanize", "a", humanize},
    {"humanize1024", "a", humanize1024},
    {"humanizePercentage", "a", humanize_percentage},
    {"humanizeTimestamp", "a", humanize_timestamp},
    {"toTime", "a", to_time},
    {"toDuration", "a", to_duration},
    {"now", "", now},
    {"parseDuration", "s", parse_duration},
    {"graphLink", "s", graph_link},
    {"tableLink", "s", table_link},
    {"externalURL", "", external_url},
    {"pathPrefix", "", path_prefix},
    {"stripPort", "s", strip_port},
    {"stripDomain", "s", strip_domain},
};

constexpr FunctionSpec kCommonFunctions[] = {
    {"humanizeDuration", "a", humanize_duration},
    {"title", "s", title},
    {"toUpper", "s", upper},
    {"toLower", "s", lower},
    {"trimSpace", "s", trim_space},
    {"join", "sl", join},
    {"match", "ss", regex_match},
    {"reReplaceAll", "sss", regex_replace_all},
    {"stringSlice", "s*", string_slice},
    {"safeHtml", "s", safe_html},
};

}  // namespace

const FunctionSpec* find_prometheus_function(std::string_view name) {
  return find_in(kPrometheusFunctions, name);
}

const FunctionSpec* find_common_function(std::string_view name) {
  return find_in(kCommonFunctions, name);
}

}  // namespace monitoring::templates
