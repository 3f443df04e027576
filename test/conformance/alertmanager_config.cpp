#include "alertmanager_config.hpp"

#include <yaml-cpp/yaml.h>

#include <charconv>

namespace monitoring::conformance {

namespace {

using dispatch::Matcher;
using dispatch::Matchers;
using dispatch::MatchOp;
using dispatch::RouteSpec;

/// What the readers below throw; caught where a document is read.
struct ConfigError {
  Error error;
};

template <class T>
T must(Result<T> result) {
  if (!result) throw ConfigError{result.error()};
  return std::move(result).value();
}

Duration duration_of(const YAML::Node& node) {
  return must(parse_duration(node.as<std::string>()));
}

std::optional<Duration> optional_duration(const YAML::Node& node) {
  if (!node) return std::nullopt;
  return duration_of(node);
}

std::vector<std::string> texts_of(const YAML::Node& node) {
  return node ? node.as<std::vector<std::string>>() : std::vector<std::string>();
}

/// Adds the three ways to write matchers: name: value, name: regex, and the list of texts.
Matchers matchers_of(const YAML::Node& equal, const YAML::Node& regex, const YAML::Node& list) {
  Matchers matchers;
  for (const auto& pair : equal) {
    matchers.push_back(must(Matcher::make(MatchOp::kEqual, pair.first.as<std::string>(),
                                          pair.second.as<std::string>())));
  }
  for (const auto& pair : regex) {
    matchers.push_back(
        must(Matcher::from_match_re(pair.first.as<std::string>(), pair.second.as<std::string>())));
  }
  for (Matcher& matcher : must(dispatch::parse_matcher_list(texts_of(list)))) {
    matchers.push_back(std::move(matcher));
  }
  return matchers;
}

void read_route(const YAML::Node& node, std::optional<std::int64_t> parent,
                std::vector<RouteSpec>& routes) {
  RouteSpec route;
  route.id = static_cast<std::int64_t>(routes.size()) + 1;
  route.parent = parent;
  route.matchers = matchers_of(node["match"], node["match_re"], node["matchers"]);
  route.continue_matching = node["continue"] && node["continue"].as<bool>();
  if (node["receiver"]) route.receiver = node["receiver"].as<std::string>();
  route.group_by = texts_of(node["group_by"]);
  route.group_wait = optional_duration(node["group_wait"]);
  route.group_interval = optional_duration(node["group_interval"]);
  route.repeat_interval = optional_duration(node["repeat_interval"]);
  route.mute_time_intervals = texts_of(node["mute_time_intervals"]);
  route.active_time_intervals = texts_of(node["active_time_intervals"]);
  const std::int64_t id = route.id;
  routes.push_back(std::move(route));
  for (const auto& child : node["routes"]) read_route(child, id, routes);
}

dispatch::InhibitRule read_inhibit_rule(const YAML::Node& node) {
  dispatch::InhibitRule rule;
  rule.source = matchers_of(node["source_match"], node["source_match_re"], node["source_matchers"]);
  rule.target = matchers_of(node["target_match"], node["target_match_re"], node["target_matchers"]);
  rule.equal = texts_of(node["equal"]);
  return rule;
}

/// Alertmanager's defaults of send_resolved.
bool sends_resolved(const std::string& kind) {
  return kind != "slack" && kind != "email" && kind != "wechat" && kind != "rocketchat";
}

std::vector<ReceiverConfig> read_receiver(const YAML::Node& node) {
  constexpr std::string_view kSuffix = "_configs";
  const std::string name = node["name"].as<std::string>();
  std::vector<ReceiverConfig> configs;
  for (const auto& field : node) {
    const std::string key = field.first.as<std::string>();
    if (key.size() <= kSuffix.size() || key.substr(key.size() - kSuffix.size()) != kSuffix) {
      continue;
    }
    const std::string kind = key.substr(0, key.size() - kSuffix.size());
    for (const auto& entry : field.second) {
      const bool send_resolved =
          entry["send_resolved"] ? entry["send_resolved"].as<bool>() : sends_resolved(kind);
      const auto index = static_cast<std::uint32_t>(configs.size());
      configs.push_back({kind, {name, index, send_resolved}, optional_duration(entry["timeout"])});
    }
  }
  return configs;
}

AlertmanagerConfig read_config(const YAML::Node& document) {
  AlertmanagerConfig config;
  read_route(document["route"], std::nullopt, config.routes);
  for (const auto& node : document["inhibit_rules"]) {
    config.inhibit_rules.push_back(read_inhibit_rule(node));
  }
  for (const auto& node : document["receivers"]) {
    config.receivers[node["name"].as<std::string>()] = read_receiver(node);
  }
  const auto global = document["global"];
  if (global && global["resolve_timeout"]) {
    config.resolve_timeout = duration_of(global["resolve_timeout"]);
  }
  return config;
}

/// Runs a reader, turning what it throws into an Error.
template <class Read>
auto reading(Read read) -> Result<decltype(read())> {
  try {
    return read();
  } catch (const ConfigError& failure) {
    return failure.error;
  } catch (const YAML::Exception& failure) {
    return Error::of(failure.what());
  }
}

std::optional<Duration> unit_of(std::string_view unit) {
  using std::chrono::hours;
  if (unit == "ms") return std::chrono::milliseconds(1);
  if (unit == "s") return std::chrono::seconds(1);
  if (unit == "m") return std::chrono::minutes(1);
  if (unit == "h") return hours(1);
  if (unit == "d") return hours(24);
  if (unit == "w") return hours(24 * 7);
  if (unit == "y") return hours(24 * 365);
  return std::nullopt;
}

}  // namespace

Result<Duration> parse_duration(const std::string& text) {
  Duration total{};
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  if (text == "0") return total;
  while (at != end) {
    std::int64_t count = 0;
    const auto [after, error] = std::from_chars(at, end, count);
    const char* letter = after;
    while (letter != end && *letter >= 'a' && *letter <= 'z') ++letter;
    const auto unit = unit_of({after, static_cast<std::size_t>(letter - after)});
    if (error != std::errc() || !unit) return Error::of("not a valid duration: " + text);
    total += count * *unit;
    at = letter;
  }
  return total;
}

Result<AlertmanagerConfig> parse_alertmanager_config(const std::string& yaml) {
  return reading([&yaml] { return read_config(YAML::Load(yaml)); });
}

Result<std::vector<RouteSpec>> parse_route_yaml(const std::string& yaml) {
  return reading([&yaml] {
    std::vector<RouteSpec> routes;
    read_route(YAML::Load(yaml), std::nullopt, routes);
    return routes;
  });
}

}  // namespace monitoring::conformance
