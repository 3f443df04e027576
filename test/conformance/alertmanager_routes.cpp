// Routing: {route_yaml, cases: [{labels, routes, route_keys}]}, and amtool's [{config, labels,
// receivers}] with configuration files beside it.

#include <algorithm>

#include "alertmanager_config.hpp"
#include "monitoring/dispatch/route.hpp"
#include "registry.hpp"

namespace monitoring::conformance {

namespace {

using dispatch::Route;
using dispatch::RouteOptions;
using dispatch::RouteTree;
using nlohmann::json;

Labels labels_of(const json& object) {
  Labels labels;
  for (const auto& [name, value] : object.items()) labels.set(name, value.get<std::string>());
  return labels;
}

/// A wanted duration; null is the default.
std::string wanted_duration(const json& text, Duration fallback) {
  if (text.is_null()) return std::to_string(fallback.count());
  const auto parsed = parse_duration(text.get<std::string>());
  return parsed ? std::to_string(parsed->count()) : parsed.error().message;
}

std::string wanted_route(const json& route, const json& key) {
  const RouteOptions defaults;
  json group_by = route["group_by"];
  if (group_by.is_string() || route["group_by_all"].get<bool>()) group_by = json::array();
  std::sort(group_by.begin(), group_by.end());  // a set
  return json{
      {"receiver", route["receiver"]},
      {"group_by", std::move(group_by)},
      {"group_by_all", route["group_by_all"]},
      {"group_wait", wanted_duration(route["group_wait"], defaults.group_wait)},
      {"group_interval", wanted_duration(route["group_interval"], defaults.group_interval)},
      {"repeat_interval", wanted_duration(route["repeat_interval"], defaults.repeat_interval)},
      {"key", key}}
      .dump();
}

std::string found_route(const Route& route) {
  const RouteOptions& options = route.options;
  return json{{"receiver", options.receiver},
              {"group_by", options.group_by_all ? json::array() : json(options.group_by)},
              {"group_by_all", options.group_by_all},
              {"group_wait", std::to_string(options.group_wait.count())},
              {"group_interval", std::to_string(options.group_interval.count())},
              {"repeat_interval", std::to_string(options.repeat_interval.count())},
              {"key", route.key}}
      .dump();
}

void run_route_case(const RouteTree& tree, const json& test, Report& report) {
  std::string wanted;
  for (std::size_t i = 0; i < test["routes"].size(); ++i) {
    wanted += wanted_route(test["routes"][i], test["route_keys"][i]) + '\n';
  }
  std::string found;
  for (const Route* route : tree.match(labels_of(test["labels"])))
    found += found_route(*route) + '\n';
  report.expect_equal(test["labels"].dump(), wanted, found);
}

void run_route_file(const std::string& name, const json& source, Report& report) {
  const auto specs = parse_route_yaml(source["route_yaml"]);
  if (!specs) return report.fail(name, specs.error().message);
  const auto tree = RouteTree::build(*specs);
  if (!tree) return report.fail(name, tree.error().message);
  for (const json& test : source["cases"]) run_route_case(*tree, test, report);
}

void run_amtool_case(const std::filesystem::path& folder, const json& test, Report& report) {
  const std::string name = test["config"].get<std::string>() + ' ' + test["labels"].dump();
  const auto config =
      parse_alertmanager_config(read_text(folder / test["config"].get<std::string>()));
  if (!config) return report.fail(name, config.error().message);
  const auto tree = RouteTree::build(config->routes);
  if (!tree) return report.fail(name, tree.error().message);
  json receivers = json::array();
  for (const Route* route : tree->match(labels_of(test["labels"]))) {
    receivers.push_back(route->options.receiver);
  }
  report.expect_equal(name, test["receivers"].dump(), receivers.dump());
}

void run_routes(const std::filesystem::path& folder, Report& report) {
  for (const auto& file : files_with_extension(folder, ".json")) {
    const json source = read_json(file, report);
    if (source.is_object()) run_route_file(file.filename(), source, report);
    if (!source.is_array()) continue;
    for (const json& test : source) run_amtool_case(folder, test, report);
  }
}

const Registration kSuite{"alertmanager-routes", run_routes};

}  // namespace

}  // namespace monitoring::conformance
