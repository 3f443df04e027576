#include "monitoring/dispatch/route.hpp"

#include <gtest/gtest.h>

namespace monitoring::dispatch {

namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

RouteSpec spec(std::int64_t id, std::optional<std::int64_t> parent, const char* matchers,
               const char* receiver, bool continue_matching = false) {
  RouteSpec route;
  route.id = id;
  route.parent = parent;
  route.matchers = parse_matchers(matchers).value();
  route.receiver = receiver;
  route.continue_matching = continue_matching;
  return route;
}

/// on-call tree: critical pages and goes on; teams below.
std::vector<RouteSpec> tree_specs() {
  std::vector<RouteSpec> specs = {
      spec(1, std::nullopt, "", "default"), spec(2, 1, "severity=critical", "pager", true),
      spec(3, 1, "team=db", "db-mail"), spec(4, 3, "severity=~\"critical|warning\"", ""),
      spec(5, 1, "team=~\"db|web\"", "chat")};
  specs[0].group_by = {"alertname", "cluster"};
  specs[0].group_wait = seconds(10);
  specs[2].group_by = {"..."};
  specs[2].repeat_interval = hours(1);
  specs[3].group_by = {"service"};
  specs[3].mute_time_intervals = {"nights"};
  return specs;
}

RouteTree tree() {
  return RouteTree::build(tree_specs()).value();
}

std::vector<std::int64_t> ids(const std::vector<const Route*>& routes) {
  std::vector<std::int64_t> out;
  for (const Route* route : routes) out.push_back(route->id);
  return out;
}

std::string build_error(const std::vector<RouteSpec>& specs) {
  const auto result = RouteTree::build(specs);
  return result ? "built" : result.error().message;
}

using Ids = std::vector<std::int64_t>;

/// Children that are looked up by a value are the same, and in the same order, as if all were
/// tried: the tree is compared with a row of small trees, each of the root and one child, which
/// have no index.
TEST(RouteTree, ManyChildrenMatchAsIfAllWereTried) {
  const char* const kMatchers[] = {"team=db",
                                   "team=web",
                                   "team!=db",
                                   "team=~\"d.*\"",
                                   "team=\"\"",
                                   "",
                                   "team=db,severity=x",
                                   "severity=x",
                                   "severity!~\"y|z\"",
                                   "team=db,zone=\"\"",
                                   "team=a,team=db"};
  std::vector<RouteSpec> specs = {spec(0, std::nullopt, "", "default")};
  for (std::int64_t id = 1; id <= 66; ++id) {
    const auto at = static_cast<std::size_t>(id - 1) % std::size(kMatchers);
    specs.push_back(spec(id, 0, kMatchers[at], "r", id % 7 != 0));
  }
  const RouteTree all = RouteTree::build(specs).value();
  for (const char* team : {"", "db", "web", "a", "other"}) {
    for (const char* severity : {"", "x", "y"}) {
      const Labels labels = {{"team", team}, {"severity", severity}};
      Ids expected;
      for (std::size_t at = 1; at < specs.size(); ++at) {
        const RouteTree alone = RouteTree::build({specs[0], specs[at]}).value();
        if (ids(alone.match(labels)) != Ids({specs[at].id})) continue;
        expected.push_back(specs[at].id);
        if (!specs[at].continue_matching) break;
      }
      if (expected.empty()) expected = {0};
      EXPECT_EQ(ids(all.match(labels)), expected) << team << ' ' << severity;
    }
  }
  EXPECT_EQ(all.find(66)->id, 66);
  EXPECT_EQ(all.find(67), nullptr);
}

TEST(RouteTree, AReceiversFailureGoesToOthers) {
  const auto failed = [](const char* receiver, const char* severity, const char* team) {
    return ids(tree().match({{"alertname", "NotificationFailed"},
                             {"receiver", receiver},
                             {"severity", severity},
                             {"team", team}}));
  };
  EXPECT_EQ(failed("chat", "critical", ""), Ids({2}));
  EXPECT_EQ(failed("pager", "critical", ""), Ids({1})) << "the parent takes it";
  EXPECT_EQ(failed("db-mail", "critical", "db"), Ids({2, 5})) << "not 3, nor 4, which inherits";
  EXPECT_EQ(failed("db-mail", "info", "db"), Ids({5})) << "the next sibling takes it";
  EXPECT_EQ(failed("default", "info", ""), Ids({})) << "nobody else is there";
  const Labels labels = {
      {"alertname", "NotificationFailed"}, {"receiver", "pager"}, {"severity", "critical"}};
  const auto rows = tree().explain(labels);
  EXPECT_TRUE(rows[0].receives);
  EXPECT_FALSE(rows[1].receives);
  EXPECT_EQ(rows[1].reason, "passed over: it leads to the receiver that failed");
  EXPECT_EQ(ids(tree().match({{"alertname", "X"}, {"receiver", "default"}})), Ids({1}));
}

TEST(RouteTree, FirstMatchUnlessContinue) {
  EXPECT_EQ(ids(tree().match({{"severity", "info"}})), Ids({1}));
  EXPECT_EQ(ids(tree().match({{"severity", "critical"}})), Ids({2}));
  EXPECT_EQ(ids(tree().match({{"severity", "critical"}, {"team", "db"}})), Ids({2, 4}));
  EXPECT_EQ(ids(tree().match({{"severity", "critical"}, {"team", "web"}})), Ids({2, 5}));
  EXPECT_EQ(ids(tree().match({{"severity", "info"}, {"team", "db"}})), Ids({3}));
}

TEST(RouteTree, ChildrenInheritWhatTheyDoNotSet) {
  const RouteTree built = tree();
  const RouteOptions& options = built.find(4)->options;
  EXPECT_EQ(options.receiver, "db-mail");
  EXPECT_FALSE(options.group_by_all);
  EXPECT_EQ(options.group_by, std::vector<std::string>{"service"});
  EXPECT_EQ(options.group_wait, seconds(10));
  EXPECT_EQ(options.group_interval, minutes(5));
  EXPECT_EQ(options.repeat_interval, hours(1));
  EXPECT_EQ(built.find(1)->options.repeat_interval, hours(4));
  EXPECT_TRUE(built.find(3)->options.group_by_all);
  EXPECT_EQ(built.find(4)->options.mute_time_intervals, std::vector<std::string>{"nights"});
}

TEST(RouteTree, TimeIntervalsAreNotInherited) {
  std::vector<RouteSpec> specs = tree_specs();
  specs[2].active_time_intervals = {"days"};
  const RouteTree built = RouteTree::build(specs).value();
  EXPECT_TRUE(built.find(4)->options.active_time_intervals.empty());
}

TEST(RouteTree, KeysPrintLikeAlertmanager) {
  const RouteTree built = tree();
  EXPECT_EQ(built.find(1)->key, "{}");
  EXPECT_EQ(built.find(4)->key, R"({}/{team="db"}/{severity=~"critical|warning"})");
  EXPECT_EQ(built.find(4)->path, R"({}/{team="db"}/1/{severity=~"critical|warning"}/0)");
  const Labels labels = {{"cluster", "c\n1"}, {"alertname", "x"}, {"service", "s"}};
  const Route& pager = *built.find(2);
  EXPECT_EQ(group_key(pager, group_labels(pager, labels)),
            R"({}/{severity="critical"}:{alertname="x", cluster="c\n1"})");
  const Route& all = *built.find(3);
  EXPECT_EQ(group_labels(all, labels), labels);
}

TEST(RouteTree, AMissingGroupLabelIsLeftOut) {
  const RouteTree built = tree();
  const Route& root = *built.find(1);
  EXPECT_EQ(group_key(root, group_labels(root, {{"alertname", "x"}})), R"({}:{alertname="x"})");
  EXPECT_EQ(group_key(root, group_labels(root, {})), "{}:{}");
}

TEST(RouteTree, MatchersAreSortedInTheKey) {
  const auto built =
      RouteTree::build({spec(1, std::nullopt, "", "r"), spec(2, 1, "b=1,a=~2,a=1", "r")}).value();
  EXPECT_EQ(built.find(2)->key, R"({}/{a="1",a=~"2",b="1"})");
}

TEST(RouteTree, ExplainsEveryRoute) {
  const RouteTree built = tree();
  const auto rows = built.explain({{"severity", "critical"}, {"team", "db"}, {"service", "s"}});
  ASSERT_EQ(rows.size(), 5U);
  EXPECT_EQ(rows[0].reason, "matches, and leaves the alert to its children");
  EXPECT_TRUE(rows[1].receives);
  EXPECT_EQ(rows[1].reason, "matches");
  EXPECT_FALSE(rows[2].receives);
  EXPECT_TRUE(rows[3].receives);
  EXPECT_EQ(rows[3].group_key, R"({}/{team="db"}/{severity=~"critical|warning"}:{service="s"})");
  EXPECT_EQ(rows[4].reason, "not tried: route 3 before it matches and does not continue");
}

TEST(RouteTree, ExplainsMismatches) {
  const RouteTree built = tree();
  const auto rows = built.explain({{"severity", "info"}});
  EXPECT_TRUE(rows[0].receives);
  EXPECT_EQ(rows[0].reason, "matches, and none of its children does");
  EXPECT_EQ(rows[1].reason, R"(does not match severity="critical": severity is "info")");
  EXPECT_EQ(rows[2].reason, R"(does not match team="db": team is missing)");
  EXPECT_EQ(rows[3].reason, "not tried: its parent does not match");
}

TEST(RouteTree, ExplainAndMatchAgree) {
  const RouteTree built = tree();
  for (const char* severity : {"critical", "warning", "info"}) {
    for (const char* team : {"db", "web", ""}) {
      const Labels labels = {{"severity", severity}, {"team", team}};
      std::vector<std::int64_t> receiving;
      for (const auto& row : built.explain(labels)) {
        if (row.receives) receiving.push_back(row.route->id);
      }
      EXPECT_EQ(receiving, ids(built.match(labels))) << severity << ' ' << team;
    }
  }
}

TEST(RouteTree, RefusesBrokenTrees) {
  const RouteSpec root = spec(1, std::nullopt, "", "r");
  EXPECT_EQ(build_error({}), "there must be exactly one root route, not 0");
  EXPECT_EQ(build_error({root, spec(2, std::nullopt, "", "r")}),
            "there must be exactly one root route, not 2");
  EXPECT_EQ(build_error({spec(1, std::nullopt, "a=b", "r")}),
            "route 1: the root route must not have any matchers");
  EXPECT_EQ(build_error({spec(1, std::nullopt, "", "")}),
            "route 1: the root route must have a receiver");
  EXPECT_EQ(build_error({root, spec(2, 9, "", "")}), "route 2: its parent 9 does not exist");
  EXPECT_EQ(build_error({root, spec(1, 1, "", "")}), "route 1: the id occurs twice");
  EXPECT_EQ(build_error({root, spec(2, 3, "", ""), spec(3, 2, "", "")}),
            "route 2: its parents form a cycle");
}

TEST(RouteTree, RefusesBrokenOptions) {
  RouteSpec root = spec(1, std::nullopt, "", "r");
  root.group_by = {"...", "a"};
  EXPECT_EQ(build_error({root}),
            "route 1: \"...\" in group_by stands for all labels and has to stand alone");
  root.group_by = {"a", "a"};
  EXPECT_EQ(build_error({root}), "route 1: duplicated label \"a\" in group_by");
  root.group_by = {};
  root.group_interval = Duration(0);
  EXPECT_EQ(build_error({root}), "route 1: group_interval must be above zero");
  root.group_interval = seconds(1);
  root.repeat_interval = Duration(0);
  EXPECT_EQ(build_error({root}), "route 1: repeat_interval must be above zero");
  root.repeat_interval = seconds(1);
  root.group_wait = Duration(-1);
  EXPECT_EQ(build_error({root}), "route 1: group_wait cannot be negative");
}

TEST(RouteTree, LimitsItsDepth) {
  std::vector<RouteSpec> specs = {spec(1, std::nullopt, "", "r")};
  for (std::int64_t id = 2; id <= 64; ++id) specs.push_back(spec(id, id - 1, "", ""));
  EXPECT_EQ(build_error(specs), "built");
  specs.push_back(spec(65, 64, "", ""));
  EXPECT_EQ(build_error(specs), "route 65: more than 64 levels of routes");
}

}  // namespace
}  // namespace monitoring::dispatch
