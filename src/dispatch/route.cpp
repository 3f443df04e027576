#include "monitoring/dispatch/route.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "dispatch/text.hpp"
#include "monitoring/alerting/state_machine.hpp"
#include "monitoring/dispatch/matcher_index.hpp"

namespace monitoring::dispatch {

namespace {

/// Deep enough for any organisation; it bounds the recursion below.
constexpr std::size_t kMaxDepth = 64;
constexpr std::string_view kAllLabels = "...";

Error route_error(const RouteSpec& spec, const std::string& message, std::string hint = {}) {
  return Error::of("route " + std::to_string(spec.id) + ": " + message, std::move(hint));
}

std::optional<Error> check_root(const RouteSpec& root) {
  if (root.receiver.empty()) return route_error(root, "the root route must have a receiver");
  if (!root.matchers.empty()) {
    return route_error(root, "the root route must not have any matchers",
                       "Every alert enters at the root; put the matchers on a child.");
  }
  if (!root.mute_time_intervals.empty() || !root.active_time_intervals.empty()) {
    return route_error(root, "the root route must not have any time intervals");
  }
  return std::nullopt;
}

std::optional<Error> check_group_by(const RouteSpec& spec) {
  std::set<std::string_view> seen;
  for (const std::string& name : spec.group_by) {
    if (name.empty() || !valid_utf8(name)) {
      return route_error(spec, "invalid label name in group_by: " + go_quote(name));
    }
    if (!seen.insert(name).second) {
      return route_error(spec, "duplicated label " + go_quote(name) + " in group_by");
    }
  }
  if (seen.size() > 1 && seen.count(kAllLabels) > 0) {
    return route_error(spec, "\"...\" in group_by stands for all labels and has to stand alone");
  }
  return std::nullopt;
}

std::optional<Error> check_timers(const RouteSpec& spec) {
  const Duration zero{};
  if (spec.group_wait && *spec.group_wait < zero) {
    return route_error(spec, "group_wait cannot be negative");
  }
  if (spec.group_interval && *spec.group_interval <= zero) {
    return route_error(spec, "group_interval must be above zero");
  }
  if (spec.repeat_interval && *spec.repeat_interval <= zero) {
    return route_error(spec, "repeat_interval must be above zero");
  }
  return std::nullopt;
}

std::optional<Error> check_specs(const std::vector<RouteSpec>& specs) {
  std::set<std::int64_t> ids;
  for (const RouteSpec& spec : specs) {
    if (!ids.insert(spec.id).second) return route_error(spec, "the id occurs twice");
  }
  for (const RouteSpec& spec : specs) {
    if (spec.parent && ids.count(*spec.parent) == 0) {
      return route_error(spec, "its parent " + std::to_string(*spec.parent) + " does not exist");
    }
    if (auto error = check_group_by(spec)) return error;
    if (auto error = check_timers(spec)) return error;
  }
  return std::nullopt;
}

RouteOptions inherit(const RouteOptions& from, const RouteSpec& spec) {
  RouteOptions options = from;
  if (!spec.receiver.empty()) options.receiver = spec.receiver;
  if (!spec.group_by.empty()) {
    options.group_by_all = spec.group_by.front() == kAllLabels;
    if (!options.group_by_all) options.group_by = spec.group_by;
    std::sort(options.group_by.begin(), options.group_by.end());
  }
  options.group_wait = spec.group_wait.value_or(from.group_wait);
  options.group_interval = spec.group_interval.value_or(from.group_interval);
  options.repeat_interval = spec.repeat_interval.value_or(from.repeat_interval);
  options.mute_time_intervals = spec.mute_time_intervals;
  options.active_time_intervals = spec.active_time_intervals;
  return options;
}

/// Turns rows into nodes in depth-first order. What a cycle holds is never reached from the root.
class Builder {
 public:
  Builder(const std::vector<RouteSpec>& specs, std::vector<Route>& routes) : routes_(routes) {
    routes_.reserve(specs.size());
    for (const RouteSpec& spec : specs) {
      if (spec.parent) children_[*spec.parent].push_back(&spec);
    }
  }

  std::optional<Error> add_root(const RouteSpec& root) {
    Route route;
    route.options = inherit(RouteOptions{}, root);
    route.key = "{}";
    route.path = "{}";
    return add(root, std::move(route), 1);
  }

 private:
  std::optional<Error> add(const RouteSpec& spec, Route route, std::size_t depth) {
    if (depth > kMaxDepth) {
      return route_error(spec, "more than " + std::to_string(kMaxDepth) + " levels of routes");
    }
    route.id = spec.id;
    route.continue_matching = spec.continue_matching;
    const std::size_t at = routes_.size();
    routes_.push_back(std::move(route));
    return add_children(at, depth);
  }

  std::optional<Error> add_children(std::size_t parent, std::size_t depth) {
    const auto found = children_.find(routes_[parent].id);
    if (found == children_.end()) return std::nullopt;
    std::size_t place = 0;
    for (const RouteSpec* spec : found->second) {
      routes_[parent].children.push_back(routes_.size());
      Route child = child_of(routes_[parent], *spec, place++);
      if (auto error = add(*spec, std::move(child), depth + 1)) return error;
    }
    return std::nullopt;
  }

  static Route child_of(const Route& parent, const RouteSpec& spec, std::size_t place) {
    Route route;
    route.options = inherit(parent.options, spec);
    route.matchers = spec.matchers;
    std::sort(route.matchers.begin(), route.matchers.end());
    const std::string step = '/' + matchers_text(route.matchers);
    route.key = parent.key + step;
    route.path = parent.path + step + '/' + std::to_string(place);
    return route;
  }

  std::vector<Route>& routes_;
  /// By parent, in the order of the rows.
  std::unordered_map<std::int64_t, std::vector<const RouteSpec*>> children_;
};

/// Which matcher keeps the labels out.
std::string mismatch_reason(const Matchers& matchers, const Labels& labels) {
  for (const Matcher& matcher : matchers) {
    if (matcher.matches(labels)) continue;
    const std::string& name = matcher.name();
    const std::string found =
        labels.has(name) ? "is " + go_quote(labels.get(name)) : std::string("is missing");
    return "does not match " + matcher.text() + ": " + name + ' ' + found;
  }
  return {};
}

/// That a receiver failed is not told to that receiver.
bool is_own_failure(const Route& route, const Labels& labels) {
  return labels.get("alertname") == alerting::kNotificationFailedAlert &&
         labels.get("receiver") == route.options.receiver;
}

}  // namespace

struct RouteTree::Nodes {
  /// With fewer children trying them all is as quick.
  static constexpr std::size_t kManyChildren = 16;

  std::vector<Route> routes;
  std::unordered_map<std::int64_t, std::size_t> by_id;
  /// Of the children of routes that have many, by the route's place.
  std::unordered_map<std::size_t, MatcherIndex> indexes;

  void index() {
    for (std::size_t at = 0; at < routes.size(); ++at) {
      by_id.emplace(routes[at].id, at);
      if (routes[at].children.size() < kManyChildren) continue;
      std::vector<const Matchers*> lists;
      for (const std::size_t child : routes[at].children) lists.push_back(&routes[child].matchers);
      indexes.emplace(at, MatcherIndex(lists));
    }
  }
  /// The children of a route that may match the labels, in the order in which they are tried.
  std::vector<std::size_t> children_for(std::size_t at, const Labels& labels) const {
    const auto& children = routes[at].children;
    const auto index = indexes.find(at);
    if (index == indexes.end()) return children;
    std::vector<std::size_t> found = index->second.candidates(labels);
    for (std::size_t& place : found) place = children[place];
    return found;
  }
};

Result<RouteTree> RouteTree::build(const std::vector<RouteSpec>& specs) {
  if (auto error = check_specs(specs)) return *error;
  const auto is_root = [](const RouteSpec& spec) { return !spec.parent; };
  const auto roots = std::count_if(specs.begin(), specs.end(), is_root);
  if (roots != 1) {
    return Error::of("there must be exactly one root route, not " + std::to_string(roots));
  }
  const RouteSpec& root = *std::find_if(specs.begin(), specs.end(), is_root);
  if (auto error = check_root(root)) return *error;
  auto nodes = std::make_shared<Nodes>();
  if (auto error = Builder(specs, nodes->routes).add_root(root)) return *error;
  nodes->index();
  RouteTree tree;
  tree.nodes_ = std::move(nodes);
  if (tree.routes().size() == specs.size()) return tree;
  const auto lost = std::find_if(specs.begin(), specs.end(), [&tree](const RouteSpec& spec) {
    return tree.find(spec.id) == nullptr;
  });
  return route_error(*lost, "its parents form a cycle");
}

std::vector<const Route*> RouteTree::match(const Labels& labels) const {
  std::vector<const Route*> found;
  collect(0, labels, found);
  return found;
}

bool RouteTree::collect(std::size_t at, const Labels& labels,
                        std::vector<const Route*>& found) const {
  const Route& route = routes()[at];
  if (!matches_all(route.matchers, labels)) return false;
  bool in_child = false;
  for (const std::size_t child : nodes_->children_for(at, labels)) {
    if (!collect(child, labels, found)) continue;
    in_child = true;
    if (!routes()[child].continue_matching) break;
  }
  if (in_child) return true;
  if (is_own_failure(route, labels)) return false;
  found.push_back(&route);
  return true;
}

std::vector<RouteExplanation> RouteTree::explain(const Labels& labels) const {
  std::vector<RouteExplanation> rows;
  explain_from(0, labels, rows);
  return rows;
}

bool RouteTree::explain_from(std::size_t at, const Labels& labels,
                             std::vector<RouteExplanation>& rows) const {
  const Route& route = routes()[at];
  const std::size_t row = rows.size();
  rows.push_back({&route, false, {}, {}});
  if (std::string reason = mismatch_reason(route.matchers, labels); !reason.empty()) {
    rows[row].reason = std::move(reason);
    for (const std::size_t child : route.children) {
      explain_skipped(child, "not tried: its parent does not match", rows);
    }
    return false;
  }
  const Route* stopped_by = nullptr;
  bool in_child = false;
  for (const std::size_t child : route.children) {
    if (stopped_by != nullptr) {
      explain_skipped(child,
                      "not tried: route " + std::to_string(stopped_by->id) +
                          " before it matches and does not continue",
                      rows);
      continue;
    }
    if (!explain_from(child, labels, rows)) continue;
    in_child = true;
    if (!routes()[child].continue_matching) stopped_by = &routes()[child];
  }
  if (in_child) {
    rows[row].reason = "matches, and leaves the alert to its children";
    return true;
  }
  if (is_own_failure(route, labels)) {
    rows[row].reason = "passed over: it leads to the receiver that failed";
    return false;
  }
  rows[row].receives = true;
  rows[row].group_key = group_key(route, group_labels(route, labels));
  rows[row].reason = route.children.empty() ? "matches" : "matches, and none of its children does";
  return true;
}

void RouteTree::explain_skipped(std::size_t at, const std::string& reason,
                                std::vector<RouteExplanation>& rows) const {
  rows.push_back({&routes()[at], false, {}, reason});
  for (const std::size_t child : routes()[at].children) explain_skipped(child, reason, rows);
}

const std::vector<Route>& RouteTree::routes() const {
  return nodes_->routes;
}

const Route* RouteTree::find(std::int64_t id) const {
  const auto at = nodes_->by_id.find(id);
  return at == nodes_->by_id.end() ? nullptr : &routes()[at->second];
}

Labels group_labels(const Route& route, const Labels& labels) {
  if (route.options.group_by_all) return labels;
  Labels group;
  for (const std::string& name : route.options.group_by) {
    if (labels.has(name)) group.set(name, std::string(labels.get(name)));
  }
  return group;
}

std::string group_key(const Route& route, const Labels& group_labels) {
  return route.key + ':' + label_set_text(group_labels);
}

std::string label_set_text(const Labels& labels) {
  std::string out = "{";
  for (const auto& [name, value] : labels) {
    if (out.size() > 1) out += ", ";
    out += name + '=' + go_quote(value);
  }
  return out + '}';
}

}  // namespace monitoring::dispatch
