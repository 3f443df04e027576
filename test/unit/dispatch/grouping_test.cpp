#include "monitoring/dispatch/grouping.hpp"

#include <gtest/gtest.h>

namespace monitoring::dispatch {

using namespace notify;  // whose alerts are told
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const Instant kStart{hours(24 * 365)};

/// One group under the root route with two integrations: "chat" without resolutions, "pager" with.
class Grouping : public ::testing::Test {
 protected:
  static RouteTree make_tree() {
    RouteSpec root;
    root.id = 1;
    root.receiver = "oncall";
    root.group_by = {"alertname"};
    return RouteTree::build({root}).value();
  }

  const Route& route() const { return tree_.routes().front(); }

  /// Makes an alert fire and puts it into the group.
  void fire(const std::string& name, Instant now, std::optional<Instant> started = std::nullopt) {
    AlertView& alert = alerts_[name];
    alert.fingerprint = name;
    alert.labels = {{"alertname", "x"}, {"instance", name}};
    alert.starts_at = started.value_or(now);
    alert.ends_at.reset();
    alert.status = AlertStatus::kFiring;
    insert_alert(group_, route(), alert, now);
  }

  void resolve(const std::string& name, Instant now) {
    alerts_[name].ends_at = now;
    alerts_[name].status = AlertStatus::kResolved;
    insert_alert(group_, route(), alerts_[name], now);
  }

  FlushResult flush(Instant now) {
    const auto find = [this](const std::string& fingerprint) {
      const auto at = alerts_.find(fingerprint);
      return at == alerts_.end() ? nullptr : &at->second;
    };
    FlushResult result = flush_group(group_, route(), {kChat, kPager}, log_, find, filters_, now);
    for (const FlushDecision& decision : result.decisions) {
      if (!decision.log) continue;
      LogEntry entry = *decision.log;
      entry.delivery_pending = false;
      log_.record(group_.key, decision.integration, entry);
    }
    return result;
  }

  /// The reasons for chat and pager of a flush.
  std::string reasons(Instant now) {
    const FlushResult result = flush(now);
    return std::string(flush_reason_text(result.decisions[0].reason)) + ' ' +
           std::string(flush_reason_text(result.decisions[1].reason));
  }

  const Integration kChat{"oncall", 0, false};
  const Integration kPager{"oncall", 1, true};
  const RouteTree tree_ = make_tree();
  Group group_ = make_group(route(), {{"alertname", "x"}}, kStart);
  std::map<std::string, AlertView> alerts_;
  NotificationLog log_;
  FlushFilters filters_;
};

TEST_F(Grouping, WaitsGroupWaitOnceThenGroupInterval) {
  fire("a", kStart);
  EXPECT_EQ(group_.key, R"({}:{alertname="x"})");
  EXPECT_EQ(group_.next_flush_at, kStart + seconds(30));
  EXPECT_EQ(reasons(kStart + seconds(30)), "first first");
  EXPECT_EQ(group_.next_flush_at, kStart + seconds(330));
  fire("b", kStart + seconds(31));
  EXPECT_EQ(group_.next_flush_at, kStart + seconds(330));
}

TEST_F(Grouping, AnAlertOlderThanGroupWaitIsNotHeldBack) {
  fire("a", kStart, kStart - seconds(30));
  EXPECT_EQ(group_.next_flush_at, kStart + seconds(30)) << "exactly group_wait old";
  fire("b", kStart + seconds(1), kStart - seconds(30));
  EXPECT_EQ(group_.next_flush_at, kStart + seconds(1));
  reasons(kStart + seconds(1));
  fire("c", kStart + seconds(2), kStart - hours(1));
  EXPECT_EQ(group_.next_flush_at, kStart + seconds(301)) << "only before the first flush";
}

TEST_F(Grouping, KeepsItsRhythmWhenFlushedLate) {
  fire("a", kStart);
  reasons(kStart + seconds(37));
  EXPECT_EQ(group_.next_flush_at, kStart + seconds(330));
  reasons(kStart + hours(1));
  EXPECT_EQ(group_.next_flush_at, kStart + hours(1) + minutes(5)) << "no flushes in a row";
}

TEST_F(Grouping, ResolvedBeforeTheFirstFlushTellsNobody) {
  fire("a", kStart);
  resolve("a", kStart + seconds(10));
  const FlushResult result = flush(kStart + seconds(30));
  EXPECT_EQ(result.decisions[1].reason, FlushReason::kNothingFired);
  EXPECT_EQ(result.decisions[1].text, "resolved before the receiver was told: 1 resolved");
  EXPECT_FALSE(result.decisions[1].notify);
  EXPECT_TRUE(result.finished);
  EXPECT_EQ(log_.size(), 0U);
}

TEST_F(Grouping, NewFiringIsTold) {
  fire("a", kStart);
  reasons(kStart + seconds(30));
  EXPECT_EQ(reasons(group_.next_flush_at), "nothing_new nothing_new");
  fire("b", kStart + minutes(6));
  const FlushResult result = flush(group_.next_flush_at);
  EXPECT_EQ(result.decisions[0].reason, FlushReason::kNewFiring);
  EXPECT_EQ(result.decisions[0].alerts.size(), 2U) << "the whole group is told";
}

TEST_F(Grouping, SendResolvedDecidesAboutResolutions) {
  fire("a", kStart);
  fire("b", kStart);
  reasons(kStart + seconds(30));
  resolve("a", kStart + minutes(1));
  FlushResult result = flush(group_.next_flush_at);
  EXPECT_EQ(result.decisions[0].reason, FlushReason::kNothingNew);
  EXPECT_EQ(result.decisions[1].reason, FlushReason::kNewResolved);
  EXPECT_EQ(result.decisions[1].alerts.size(), 2U);
  EXPECT_EQ(result.removed, Fingerprints{"a"});
  EXPECT_FALSE(result.finished);
  EXPECT_EQ(reasons(group_.next_flush_at), "nothing_new nothing_new");

  resolve("b", kStart + minutes(11));
  result = flush(group_.next_flush_at);
  EXPECT_EQ(result.decisions[0].reason, FlushReason::kUnsentResolved);
  EXPECT_FALSE(result.decisions[0].notify);
  EXPECT_TRUE(log_.find(group_.key, kChat)->firing.empty()) << "logged although not sent";
  EXPECT_EQ(result.decisions[1].reason, FlushReason::kAllResolved);
  EXPECT_TRUE(result.finished);
}

TEST_F(Grouping, FiringAndResolvedTogetherAreSplitBySendResolved) {
  fire("a", kStart);
  reasons(kStart + seconds(30));
  resolve("a", kStart + minutes(1));
  fire("b", kStart + minutes(1));
  const FlushResult result = flush(group_.next_flush_at);
  ASSERT_EQ(result.decisions[0].alerts.size(), 1U);
  EXPECT_EQ(result.decisions[0].alerts[0].fingerprint, "b");
  ASSERT_EQ(result.decisions[1].alerts.size(), 2U);
  EXPECT_EQ(result.decisions[1].alerts[0].status, AlertStatus::kResolved);
  EXPECT_EQ(result.decisions[1].alerts[0].ends_at, kStart + minutes(1));
}

TEST_F(Grouping, FiredAndResolvedBetweenFlushesIsNotToldOnItsOwn) {
  fire("a", kStart);
  reasons(kStart + seconds(30));
  resolve("a", kStart + minutes(1));
  reasons(group_.next_flush_at);
  group_ = make_group(route(), {{"alertname", "x"}}, kStart + hours(1));
  fire("b", kStart + hours(1));
  resolve("b", kStart + hours(1) + seconds(1));
  EXPECT_EQ(reasons(group_.next_flush_at), "nothing_fired nothing_fired");
}

TEST_F(Grouping, AnEndThatLiesAheadIsNotResolved) {
  fire("a", kStart);
  alerts_["a"].ends_at = kStart + minutes(1);
  const FlushResult result = flush(kStart + seconds(30));
  EXPECT_EQ(result.decisions[1].alerts[0].status, AlertStatus::kFiring);
  EXPECT_FALSE(result.decisions[1].alerts[0].ends_at.has_value());
  EXPECT_TRUE(result.removed.empty());
}

TEST_F(Grouping, RepeatsAtTheFlushAfterTheRepeatInterval) {
  fire("a", kStart);
  const Instant first = kStart + seconds(30);
  reasons(first);
  int repeats = 0;
  Instant repeated_at{};
  while (group_.next_flush_at < first + hours(8)) {
    const Instant now = group_.next_flush_at;
    if (reasons(now) != "repeat repeat") continue;
    ++repeats;
    repeated_at = now;
  }
  EXPECT_EQ(repeats, 1);
  EXPECT_EQ(repeated_at, first + hours(4)) << "a multiple of group_interval";
}

TEST_F(Grouping, EachIntegrationRepeatsOnItsOwn) {
  fire("a", kStart);
  fire("b", kStart);
  reasons(kStart + seconds(30));
  resolve("a", kStart + hours(2));
  while (group_.next_flush_at < kStart + hours(4)) reasons(group_.next_flush_at);
  std::string repeats;
  while (group_.next_flush_at < kStart + hours(5)) repeats += reasons(group_.next_flush_at) + ';';
  EXPECT_NE(repeats.find("repeat nothing_new"), std::string::npos);
  EXPECT_EQ(repeats.find("repeat repeat"), std::string::npos);
}

TEST_F(Grouping, AcknowledgedAlertsDoNotRepeat) {
  filters_.acknowledged = [](const AlertView& alert) { return alert.fingerprint == "a"; };
  fire("a", kStart);
  reasons(kStart + seconds(30));
  group_.next_flush_at = kStart + hours(5);
  EXPECT_EQ(reasons(kStart + hours(5)), "acknowledged acknowledged");
  fire("b", kStart + hours(5));
  EXPECT_EQ(reasons(group_.next_flush_at), "new_firing new_firing") << "news is told all the same";
  group_.next_flush_at = kStart + hours(10);
  EXPECT_EQ(reasons(kStart + hours(10)), "repeat repeat") << "b is not acknowledged";
}

TEST_F(Grouping, ARepeatWaitsForTheLastDelivery) {
  fire("a", kStart);
  reasons(kStart + seconds(30));
  LogEntry entry = *log_.find(group_.key, kPager);
  entry.delivery_pending = true;
  log_.record(group_.key, kPager, entry);
  group_.next_flush_at = kStart + hours(5);
  EXPECT_EQ(reasons(kStart + hours(5)), "repeat delivery_pending");
  resolve("a", kStart + hours(5));
  EXPECT_EQ(reasons(group_.next_flush_at), "unsent_resolved all_resolved") << "news does not wait";
}

TEST_F(Grouping, SuppressedAlertsStayInTheGroup) {
  bool inhibit = true;
  filters_.inhibited = [&inhibit](const AlertView& alert) -> std::optional<std::string> {
    if (!inhibit || alert.fingerprint != "a") return std::nullopt;
    return "inhibited by b";
  };
  fire("a", kStart);
  FlushResult result = flush(kStart + seconds(30));
  EXPECT_EQ(result.decisions[1].reason, FlushReason::kSuppressed);
  ASSERT_EQ(result.suppressed.size(), 1U);
  EXPECT_EQ(suppression_text(result.suppressed[0].cause), "inhibited");
  EXPECT_EQ(result.suppressed[0].reason, "inhibited by b");
  EXPECT_FALSE(result.finished);
  inhibit = false;
  EXPECT_EQ(reasons(group_.next_flush_at), "first first");
}

TEST_F(Grouping, SuppressionIsNamedInAlertmanagersOrder) {
  filters_.inhibited = [](const AlertView& alert) -> std::optional<std::string> {
    if (alert.fingerprint != "a") return std::nullopt;
    return "i";
  };
  std::optional<std::pair<Suppression, std::string>> muted;
  filters_.muted = [&muted](const Route&) { return muted; };
  filters_.silenced = [](const AlertView&) -> std::optional<std::string> { return "s"; };
  fire("a", kStart);
  fire("b", kStart);
  FlushResult result = flush(kStart + seconds(30));
  EXPECT_EQ(result.suppressed[0].cause, Suppression::kInhibited);
  EXPECT_EQ(result.suppressed[1].cause, Suppression::kSilenced);
  muted = {Suppression::kMuteTime, "nights"};
  result = flush(group_.next_flush_at);
  EXPECT_EQ(result.suppressed[0].cause, Suppression::kInhibited);
  EXPECT_EQ(result.suppressed[1].cause, Suppression::kMuteTime);
}

TEST_F(Grouping, AlertThatIsNotKnownAnyMoreLeaves) {
  fire("a", kStart);
  alerts_.clear();
  const FlushResult result = flush(kStart + seconds(30));
  EXPECT_EQ(result.removed, Fingerprints{"a"});
  EXPECT_TRUE(result.finished);
}

TEST_F(Grouping, LogIsRememberedByANewGroupUntilItExpires) {
  fire("a", kStart);
  reasons(kStart + seconds(30));
  const auto restart = [this](Instant now) {
    group_ = make_group(route(), {{"alertname", "x"}}, now);
    insert_alert(group_, route(), alerts_["a"], now);
    group_.next_flush_at = now;
    return reasons(now);
  };
  EXPECT_EQ(restart(kStart + hours(1)), "nothing_new nothing_new");
  EXPECT_EQ(restart(kStart + hours(121)), "first first");
}

TEST_F(Grouping, AlertsAreToldInAlertmanagersOrder) {
  fire("a", kStart);
  fire("b", kStart);
  fire("c", kStart);
  alerts_["c"].labels.set("job", "z");
  alerts_["a"].labels.erase("instance");
  const FlushResult result = flush(kStart + seconds(30));
  std::string order;
  for (const AlertView& alert : result.decisions[0].alerts) order += alert.fingerprint;
  EXPECT_EQ(order, "cba") << "with job, with instance, the rest";
}

TEST_F(Grouping, AlertsWithoutJobAndInstanceAreOrderedByTheirLabels) {
  for (const char* name : {"a", "b", "c", "d"}) fire(name, kStart);
  alerts_["a"].labels = {{"n", "2"}};
  alerts_["b"].labels = {{"n", "1"}};
  alerts_["c"].labels = {{"a", "1"}};
  alerts_["d"].labels = {};
  const FlushResult result = flush(kStart + seconds(30));
  std::string order;
  for (const AlertView& alert : result.decisions[0].alerts) order += alert.fingerprint;
  EXPECT_EQ(order, "dbac") << "fewer labels, then whoever lacks the first name, then values";
}

TEST_F(Grouping, MakesANotification) {
  fire("a", kStart);
  const FlushResult result = flush(kStart + seconds(30));
  const Notification notification = make_notification(group_, result.decisions[1]);
  EXPECT_EQ(notification.receiver, "oncall");
  EXPECT_EQ(notification.group_key, R"({}:{alertname="x"})");
  EXPECT_EQ(notification.status, AlertStatus::kFiring);
  EXPECT_EQ(notification.common_labels, Labels({{"alertname", "x"}, {"instance", "a"}}));
}

TEST_F(Grouping, RepeatsAreNotAFlushLate) {
  fire("a", kStart);
  const Instant first = kStart + seconds(31);  // a second late
  EXPECT_EQ(reasons(first), "first first");
  EXPECT_EQ(reasons(kStart + seconds(30) + hours(4) - minutes(5)), "nothing_new nothing_new");
  EXPECT_EQ(reasons(kStart + seconds(30) + hours(4)), "repeat repeat");
}

TEST_F(Grouping, FiringAnewUnseenIsNews) {
  fire("a", kStart);
  EXPECT_EQ(reasons(kStart + seconds(30)), "first first");
  // Told, then silenced; it ends and fires anew in the silence.
  resolve("a", kStart + seconds(60));
  EXPECT_TRUE(note_unseen(group_, alerts_["a"], kStart + seconds(60)));
  EXPECT_FALSE(note_unseen(group_, alerts_["a"], kStart + seconds(61))) << "noted already";
  fire("a", kStart + seconds(90));
  EXPECT_EQ(reasons(kStart + seconds(330)), "new_firing new_firing");
  EXPECT_EQ(reasons(kStart + seconds(630)), "nothing_new nothing_new");
}

TEST_F(Grouping, FiringOnThroughASilenceIsNot) {
  fire("a", kStart);
  EXPECT_EQ(reasons(kStart + seconds(30)), "first first");
  EXPECT_FALSE(note_unseen(group_, alerts_["a"], kStart + seconds(60)));
  EXPECT_EQ(reasons(kStart + seconds(330)), "nothing_new nothing_new");
}

TEST_F(Grouping, FiringAnewBetweenFlushesIsAsInAlertmanager) {
  fire("a", kStart);
  EXPECT_EQ(reasons(kStart + seconds(30)), "first first");
  resolve("a", kStart + seconds(60));
  fire("a", kStart + seconds(90));
  EXPECT_EQ(reasons(kStart + seconds(330)), "nothing_new nothing_new");
}

TEST_F(Grouping, ANewGroupKnowsWhatItsPredecessorToldAndWhen) {
  fire("a", kStart);
  EXPECT_EQ(reasons(kStart + seconds(30)), "first first");
  // The group came to an end, the firing did not: a change of routes.
  group_ = make_group(route(), {{"alertname", "x"}}, kStart + minutes(2));
  fire("a", kStart + minutes(2), kStart);
  EXPECT_EQ(reasons(kStart + minutes(3)), "nothing_new nothing_new");
  // The firing did, unseen.
  group_ = make_group(route(), {{"alertname", "x"}}, kStart + minutes(4));
  fire("a", kStart + minutes(4));
  EXPECT_EQ(reasons(kStart + minutes(5)), "new_firing new_firing");
}

}  // namespace
}  // namespace monitoring::dispatch
