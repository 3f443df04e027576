// Inhibition and silences.
#include <gtest/gtest.h>

#include "monitoring/dispatch/inhibition.hpp"
#include "monitoring/dispatch/silence.hpp"

namespace monitoring::dispatch {

using namespace notify;  // whose alerts are told
namespace {

using std::chrono::seconds;

const Instant kNow{std::chrono::hours(1000)};

AlertView alert(Labels labels, std::optional<Instant> ends_at = std::nullopt) {
  AlertView view;
  view.fingerprint = fingerprint_text(labels.fingerprint());
  view.labels = std::move(labels);
  view.ends_at = ends_at;
  return view;
}

InhibitRule rule(const char* source, const char* target, std::vector<std::string> equal) {
  return {"rule", parse_matchers(source).value(), parse_matchers(target).value(), std::move(equal)};
}

TEST(Inhibition, NeedsAFiringSourceWithEqualLabels) {
  Inhibitor inhibitor({rule("severity=critical", "severity=warning", {"job", "zone"})});
  const AlertView source = alert({{"severity", "critical"}, {"job", "a"}});
  inhibitor.add(source, kNow);
  const auto hit = inhibitor.inhibits({{"severity", "warning"}, {"job", "a"}});
  ASSERT_TRUE(hit.has_value()) << "zone is missing in both, which is equal";
  EXPECT_EQ(hit->source, source.fingerprint);
  EXPECT_EQ(hit->rule, "rule");
  EXPECT_TRUE(inhibitor.inhibits({{"severity", "warning"}, {"job", "a"}, {"zone", ""}}));
  EXPECT_FALSE(inhibitor.inhibits({{"severity", "warning"}, {"job", "b"}}));
  EXPECT_FALSE(inhibitor.inhibits({{"severity", "warning"}, {"job", "a"}, {"zone", "z"}}));
  EXPECT_FALSE(inhibitor.inhibits({{"severity", "critical"}, {"job", "a"}}));
}

TEST(Inhibition, ResolvedSourcesDoNotInhibit) {
  Inhibitor inhibitor({rule("s=1", "t=1", {})});
  inhibitor.add(alert({{"s", "1"}}, kNow), kNow);
  EXPECT_FALSE(inhibitor.inhibits({{"t", "1"}}));
  inhibitor.add(alert({{"s", "1"}}, kNow + seconds(1)), kNow);
  EXPECT_TRUE(inhibitor.inhibits({{"t", "1"}}));
}

TEST(Inhibition, TwoSidedAlertsDoNotInhibitEachOther) {
  Inhibitor inhibitor({rule("s=1", "t=1", {})});
  inhibitor.add(alert({{"s", "1"}, {"t", "1"}, {"n", "1"}}), kNow);
  EXPECT_FALSE(inhibitor.inhibits({{"s", "1"}, {"t", "1"}, {"n", "1"}})) << "not itself";
  EXPECT_FALSE(inhibitor.inhibits({{"s", "1"}, {"t", "1"}, {"n", "2"}})) << "nor its like";
  EXPECT_TRUE(inhibitor.inhibits({{"t", "1"}})) << "but a plain target";
  inhibitor.add(alert({{"s", "1"}}), kNow);
  EXPECT_TRUE(inhibitor.inhibits({{"s", "1"}, {"t", "1"}, {"n", "2"}}));
}

TEST(Inhibition, AnyRuleWill) {
  Inhibitor inhibitor({rule("s=1", "t=1", {}), rule("s=2", "t=2", {})});
  inhibitor.add(alert({{"s", "2"}}), kNow);
  EXPECT_FALSE(inhibitor.inhibits({{"t", "1"}}));
  EXPECT_TRUE(inhibitor.inhibits({{"t", "2"}}));
}

Silence silence(const char* matchers, bool until_resolved = false) {
  Silence s;
  s.id = matchers;
  s.matchers = parse_matchers(matchers).value();
  s.starts_at = kNow;
  s.ends_at = kNow + seconds(60);
  s.until_resolved = until_resolved;
  return s;
}

TEST(Silence, HoldsFromStartUntilEnd) {
  const Silence s = silence("a=1");
  EXPECT_EQ(silence_state(s, kNow - seconds(1)), SilenceState::kPending);
  EXPECT_EQ(silence_state(s, kNow), SilenceState::kActive);
  EXPECT_EQ(silence_state(s, kNow + seconds(60)), SilenceState::kExpired);
  EXPECT_TRUE(silences(s, {{"a", "1"}}, kNow));
  EXPECT_FALSE(silences(s, {{"a", "1"}}, kNow + seconds(60)));
  EXPECT_FALSE(silences(s, {{"a", "2"}}, kNow));
}

TEST(Silence, FindsTheOneThatHolds) {
  const std::vector<Silence> all = {silence("a=1"), silence("a=2")};
  ASSERT_NE(find_silence(all, {{"a", "2"}}, kNow), nullptr);
  EXPECT_EQ(find_silence(all, {{"a", "2"}}, kNow)->id, "a=2");
  EXPECT_EQ(find_silence(all, {{"a", "3"}}, kNow), nullptr);
}

TEST(Silence, RefusesWhatWouldHoldForEverything) {
  EXPECT_FALSE(check_silence(silence("a=1")).has_value());
  EXPECT_TRUE(check_silence(silence("")).has_value());
  EXPECT_TRUE(check_silence(silence("a=~\".*\"")).has_value());
  EXPECT_TRUE(check_silence(silence("a!=x")).has_value());
  EXPECT_FALSE(check_silence(silence("a!=x,b=1")).has_value());
  Silence backwards = silence("a=1");
  backwards.ends_at = backwards.starts_at;
  EXPECT_EQ(check_silence(backwards)->message, "a silence must end after it starts");
}

TEST(Silence, UntilResolvedEndsWithItsAlerts) {
  std::vector<Silence> all = {silence("a=1", true), silence("a=1"), silence("a=2", true)};
  const std::vector<AlertView> firing = {alert({{"a", "1"}})};
  const std::vector<AlertView> resolved = {alert({{"a", "1"}}, kNow + seconds(2))};
  const Instant later = kNow + seconds(5);
  EXPECT_TRUE(settle_silences(all, {}, kNow).empty()) << "it may be set before the alert fires";
  EXPECT_EQ(settle_silences(all, firing, kNow), std::vector<std::size_t>{0});
  EXPECT_TRUE(all[0].matched);
  EXPECT_TRUE(settle_silences(all, firing, later).empty());
  EXPECT_EQ(settle_silences(all, resolved, later), std::vector<std::size_t>{0});
  EXPECT_EQ(silence_state(all[0], later), SilenceState::kExpired);
  EXPECT_EQ(all[0].ends_at, later);
  EXPECT_TRUE(settle_silences(all, resolved, later + seconds(1)).empty()) << "it ends once";
  EXPECT_EQ(silence_state(all[1], later), SilenceState::kActive);
  EXPECT_EQ(silence_state(all[2], later), SilenceState::kActive);
}

}  // namespace
}  // namespace monitoring::dispatch
