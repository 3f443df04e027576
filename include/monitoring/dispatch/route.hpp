#pragma once
// The routing tree: which receivers an alert goes to, and in which group. Alertmanager's
// dispatch.Route, built from rows. Immutable once built.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/base/clock.hpp"
#include "monitoring/base/labels.hpp"
#include "monitoring/base/result.hpp"
#include "monitoring/dispatch/matcher.hpp"

namespace monitoring::dispatch {

/// One node as configured: a row. What is unset is inherited from the parent, for the root from
/// Alertmanager's defaults (30 s, 5 min, 4 h, one group for all). Time intervals and `continue` are
/// not inherited.
struct RouteSpec {
  std::int64_t id = 0;
  /// Missing for the root, of which there is exactly one.
  std::optional<std::int64_t> parent;
  Matchers matchers;
  bool continue_matching = false;
  /// Empty: inherited. The root needs one.
  std::string receiver;
  /// Label names, or {"..."} for all labels. Empty: inherited, as in Alertmanager.
  std::vector<std::string> group_by;
  std::optional<Duration> group_wait;
  std::optional<Duration> group_interval;
  std::optional<Duration> repeat_interval;
  std::vector<std::string> mute_time_intervals;
  std::vector<std::string> active_time_intervals;
};

/// What holds for alerts that end at a node, after inheritance.
struct RouteOptions {
  std::string receiver;
  /// Sorted. Not looked at where group_by_all.
  std::vector<std::string> group_by;
  bool group_by_all = false;
  Duration group_wait = std::chrono::seconds(30);
  Duration group_interval = std::chrono::minutes(5);
  Duration repeat_interval = std::chrono::hours(4);
  std::vector<std::string> mute_time_intervals;
  std::vector<std::string> active_time_intervals;
};

struct Route {
  std::int64_t id = 0;
  RouteOptions options;
  /// Sorted.
  Matchers matchers;
  bool continue_matching = false;
  /// `{}/{owner="team-A"}`: the matchers from the root down. Two siblings may share it.
  std::string key;
  /// The key with each node's place among its siblings, which is unique: `{}/{owner="team-A"}/0`.
  std::string path;
  /// Indexes into RouteTree::routes(), in the order in which they are tried.
  std::vector<std::size_t> children;
};

/// What became of one route for some labels.
struct RouteExplanation {
  const Route* route = nullptr;
  /// Whether an alert with the labels ends here, in the group named by group_key.
  bool receives = false;
  /// Empty unless `receives`.
  std::string group_key;
  /// Why, or why not, in words.
  std::string reason;
};

/// Cheap to copy: copies share the routes, and pointers to them stay valid as long as one is there.
class RouteTree {
 public:
  /// Siblings are tried in the order of `specs`. Fails on: no root or several, a root with matchers
  /// or time intervals or without receiver, a parent that does not exist, a cycle, more than 64
  /// levels, a repeated id, `...` beside other labels, a label twice, an interval of zero or less.
  static Result<RouteTree> build(const std::vector<RouteSpec>& specs);

  /// The routes in which an alert with these labels ends: depth first; at each level the first
  /// match, and those after it as long as each says `continue`. A route that leads to the very
  /// receiver that the alert says has failed (NotificationFailed) is passed over, as if it did not
  /// match; only then may there be none.
  std::vector<const Route*> match(const Labels& labels) const;

  /// One row for every route of the tree, depth first.
  std::vector<RouteExplanation> explain(const Labels& labels) const;

  /// The route with that id, or null.
  const Route* find(std::int64_t id) const;

  /// In depth-first order, the root first.
  const std::vector<Route>& routes() const;

 private:
  struct Nodes;

  RouteTree() = default;
  bool collect(std::size_t at, const Labels& labels, std::vector<const Route*>& found) const;
  bool explain_from(std::size_t at, const Labels& labels,
                    std::vector<RouteExplanation>& rows) const;
  void explain_skipped(std::size_t at, const std::string& reason,
                       std::vector<RouteExplanation>& rows) const;

  std::shared_ptr<const Nodes> nodes_;
};

/// The labels by which a route groups an alert.
Labels group_labels(const Route& route, const Labels& labels);

/// `{}/{severity="critical"}:{alertname="x"}`: how Alertmanager names a group towards receivers.
std::string group_key(const Route& route, const Labels& group_labels);

/// `{a="x", b="y"}`: how Alertmanager prints a label set (model.LabelSet.String).
std::string label_set_text(const Labels& labels);

}  // namespace monitoring::dispatch
