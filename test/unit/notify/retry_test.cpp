#include "monitoring/notify/retry.hpp"

#include <gtest/gtest.h>

namespace monitoring::notify {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

DeliveryOutcome answered(int status) {
  DeliveryOutcome outcome;
  outcome.status = status;
  return outcome;
}

DeliveryOutcome failed(DeliveryFailure failure, int status = 0) {
  DeliveryOutcome outcome = answered(status);
  outcome.failure = failure;
  return outcome;
}

TEST(Retry, StatusDecides) {
  for (const int status : {200, 202, 204, 299}) {
    EXPECT_EQ(judge_http(answered(status)).verdict, Verdict::kSent) << status;
  }
  for (const int status : {408, 429, 500, 502, 503, 599}) {
    EXPECT_EQ(judge_http(answered(status)).verdict, Verdict::kRetry) << status;
  }
  for (const int status : {100, 301, 302, 307, 400, 401, 403, 404, 410, 499}) {
    EXPECT_EQ(judge_http(answered(status)).verdict, Verdict::kDead) << status;
  }
}

TEST(Retry, TroubleOnTheWayIsRetriedAndARefusalIsNot) {
  for (const auto failure :
       {DeliveryFailure::kResolve, DeliveryFailure::kConnect, DeliveryFailure::kTls,
        DeliveryFailure::kTimeout, DeliveryFailure::kReset}) {
    EXPECT_EQ(judge_http(failed(failure)).verdict, Verdict::kRetry);
  }
  EXPECT_EQ(judge_http(failed(DeliveryFailure::kRefusedAddress)).verdict, Verdict::kDead);
  EXPECT_EQ(judge_http(failed(DeliveryFailure::kBadRequest)).verdict, Verdict::kDead);
}

TEST(Retry, A2xxStatusCountsHoweverTheBodyEnded) {
  for (const auto failure :
       {DeliveryFailure::kTooLarge, DeliveryFailure::kTimeout, DeliveryFailure::kReset}) {
    EXPECT_EQ(judge_http(failed(failure, 200)).verdict, Verdict::kSent);
  }
  EXPECT_EQ(judge_http(failed(DeliveryFailure::kTimeout, 404)).verdict, Verdict::kRetry);
}

TEST(Retry, ACutOffAnswerCountsByItsStatus) {
  EXPECT_EQ(judge_http(failed(DeliveryFailure::kTooLarge, 200)).verdict, Verdict::kSent);
  EXPECT_EQ(judge_http(failed(DeliveryFailure::kTooLarge, 503)).verdict, Verdict::kRetry);
  EXPECT_EQ(judge_http(failed(DeliveryFailure::kTooLarge, 404)).verdict, Verdict::kDead);
}

TEST(Retry, ReasonsAreThoseOfAlertmanager) {
  const auto reason = [](const DeliveryOutcome& outcome) {
    return failure_reason_text(judge_http(outcome).reason);
  };
  EXPECT_EQ(reason(answered(200)), "");
  EXPECT_EQ(reason(answered(400)), "clientError");
  EXPECT_EQ(reason(answered(404)), "clientError");
  EXPECT_EQ(reason(answered(401)), "authError");
  EXPECT_EQ(reason(answered(403)), "authError");
  EXPECT_EQ(reason(answered(429)), "rateLimited");
  EXPECT_EQ(reason(answered(503)), "serverError");
  EXPECT_EQ(reason(failed(DeliveryFailure::kTimeout)), "contextDeadlineExceeded");
  EXPECT_EQ(reason(failed(DeliveryFailure::kAuthentication)), "authError");
  EXPECT_EQ(reason(failed(DeliveryFailure::kBadRequest)), "clientError");
  EXPECT_EQ(reason(failed(DeliveryFailure::kConnect)), "other");
}

TEST(Retry, AJudgementSaysWhatTheReceiverSaid) {
  DeliveryOutcome outcome = answered(429);
  outcome.retry_after = seconds(30);
  outcome.body_head = "slow down";
  const Judgement judgement = judge_http(outcome);
  EXPECT_EQ(judgement.pause, seconds(30));
  EXPECT_EQ(judgement.explanation, "unexpected HTTP status 429: slow down");
  EXPECT_EQ(judge_http(answered(200)).explanation, "");
}

TEST(Retry, WaitsGrowUpToTheCap) {
  const RetrySchedule schedule;
  EXPECT_EQ(retry_wait(schedule, 1, {}, 0.0), milliseconds(250));
  EXPECT_LT(retry_wait(schedule, 1, {}, 0.999), milliseconds(500));
  EXPECT_EQ(retry_wait(schedule, 2, {}, 0.0), milliseconds(500));
  EXPECT_EQ(retry_wait(schedule, 5, {}, 0.0), seconds(4));
  EXPECT_EQ(retry_wait(schedule, 40, {}, 0.0), schedule.cap / 2);
  EXPECT_EQ(retry_wait(schedule, 4000000000U, {}, 0.0), schedule.cap / 2);
}

TEST(Retry, RetryAfterIsALowerBoundWithinReason) {
  const RetrySchedule schedule;
  EXPECT_EQ(retry_wait(schedule, 1, seconds(7), 0.5), seconds(7));
  EXPECT_EQ(retry_wait(schedule, 40, seconds(7), 0.0), schedule.cap / 2);
  EXPECT_EQ(retry_wait(schedule, 1, seconds::max(), 0.5), hours(1));
}

}  // namespace
}  // namespace monitoring::notify
