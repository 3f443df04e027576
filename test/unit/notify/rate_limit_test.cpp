#include "monitoring/notify/rate_limit.hpp"

#include <gtest/gtest.h>

#include "monitoring/base/json.hpp"

#include "monitoring/notify/receiver.hpp"

namespace monitoring::notify {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

const Instant kStart{hours(24 * 365 * 60)};

std::string described(const char* text) {
  const auto limit = parse_rate_limit(Json::parse_or_null(text));
  if (!limit) return "refused";
  return std::to_string(limit->interval.count()) + " us, burst " + std::to_string(limit->burst);
}

TEST(RateLimit, IsReadFromSettings) {
  EXPECT_EQ(described(R"({"per_second": 1})"), "1000000 us, burst 1");
  EXPECT_EQ(described(R"({"per_minute": 20, "burst": 5})"), "3000000 us, burst 5");
  EXPECT_EQ(described(R"({"per_hour": 0.5})"), "7200000000 us, burst 1");
  EXPECT_EQ(described(R"({"per_second": 1000000})"), "1 us, burst 1");
  for (const char* wrong :
       {"1", "true", "[]", "{}", R"({"burst": 5})", R"({"per_second": 0})", R"({"per_second": -1})",
        R"({"per_second": 1e300})", R"({"per_hour": 0.01})", R"({"per_second": "1"})",
        R"({"per_second": 1, "per_minute": 1})", R"({"per_second": 1, "burst": 0})",
        R"({"per_second": 1, "burst": 1.5})", R"({"per_second": 1, "burst": 1000001})",
        R"({"per_second": 1, "bursts": 2})"}) {
    EXPECT_EQ(described(wrong), "refused") << wrong;
  }
}

TEST(RateLimit, KindsHaveTheirOwnUnlessTheReceiverSays) {
  const auto slack = rate_limit_of("slack", Json());
  ASSERT_TRUE(slack.has_value());
  EXPECT_EQ(slack->interval, seconds(1));
  EXPECT_GT(slack->burst, 1U);
  EXPECT_FALSE(rate_limit_of("slack", Json(false)).has_value());
  EXPECT_FALSE(rate_limit_of("webhook", Json()).has_value());
  EXPECT_EQ(rate_limit_of("webhook", Json::parse_or_null(R"({"per_minute": 1})"))->interval,
            minutes(1));
}

TEST(RateLimit, AllowsABurstAndThenTheRate) {
  const RateLimit limit{seconds(1), 3};
  Instant full_at{};
  EXPECT_EQ(requests_allowed(limit, full_at, kStart), 3U);
  full_at = full_after(limit, full_at, 2, kStart);
  EXPECT_EQ(requests_allowed(limit, full_at, kStart), 1U);
  full_at = full_after(limit, full_at, 1, kStart);
  EXPECT_EQ(requests_allowed(limit, full_at, kStart), 0U);
  EXPECT_EQ(next_request_at(limit, full_at), kStart + seconds(1));
  EXPECT_EQ(requests_allowed(limit, full_at, kStart + milliseconds(999)), 0U);
  EXPECT_EQ(requests_allowed(limit, full_at, kStart + seconds(1)), 1U);
  EXPECT_EQ(requests_allowed(limit, full_at, kStart + milliseconds(2999)), 2U);
  EXPECT_EQ(requests_allowed(limit, full_at, kStart + hours(1)), 3U) << "and no more";
}

TEST(RateLimit, NeverExceedsItsRate) {
  const RateLimit limit{milliseconds(250), 4};
  Instant full_at{};
  int sent = 0;
  for (int tick = 0; tick < 10'000; tick += 7) {
    const Instant now = kStart + milliseconds(tick);
    const std::uint32_t allowed = requests_allowed(limit, full_at, now);
    full_at = full_after(limit, full_at, allowed, now);
    sent += static_cast<int>(allowed);
    ASSERT_LE(sent, 4 + tick / 250);
    EXPECT_GT(next_request_at(limit, full_at), now);
  }
  EXPECT_GE(sent, 4 + 10'000 / 250 - 1);
}

TEST(RateLimit, ARelaxedLimitForgetsWhatTheOldOneHadUsedUp) {
  const RateLimit strict{hours(1), 1};
  const Instant full_at = full_after(strict, {}, 1, kStart);
  const RateLimit relaxed{seconds(1), 1};
  EXPECT_EQ(requests_allowed(relaxed, full_at, kStart + seconds(1)), 0U);
  EXPECT_EQ(full_after(relaxed, full_at, 0, kStart + seconds(1)), kStart + seconds(2));
}

TEST(RateLimit, IsASettingOfEveryKind) {
  const Json settings = Json::parse_or_null(R"({"rate_limit": {"per_minute": 1}})");
  EXPECT_FALSE(check_settings("log", settings).has_value());
  EXPECT_FALSE(check_settings("log", Json::parse_or_null(R"({"rate_limit": false})")).has_value());
  const auto error =
      check_settings("log", Json::parse_or_null(R"({"rate_limit": {"per_minute": 0}})"));
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->message.rfind("setting \"rate_limit\": ", 0), 0U) << error->message;
}

}  // namespace
}  // namespace monitoring::notify
