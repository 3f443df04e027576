#include "monitoring/notify/retry.hpp"

#include <algorithm>
#include <cmath>

namespace monitoring::notify {

namespace {

/// Beyond this many doublings every schedule has reached its cap; keeps pow() finite.
constexpr std::uint32_t kMostSteps = 64;

FailureReason reason_of_status(int status) {
  if (status >= 200 && status < 300) return FailureReason::kNone;
  if (status == 401 || status == 403) return FailureReason::kAuthError;
  if (status == 429) return FailureReason::kRateLimited;
  if (status >= 500) return FailureReason::kServerError;
  return FailureReason::kClientError;
}

Verdict verdict_of_status(int status) {
  if (status >= 200 && status < 300) return Verdict::kSent;
  if (status == 408 || status == 429 || status >= 500) return Verdict::kRetry;
  return Verdict::kDead;
}

Judgement judge_status(const DeliveryOutcome& outcome) {
  Judgement judgement;
  judgement.verdict = verdict_of_status(outcome.status);
  judgement.reason = reason_of_status(outcome.status);
  judgement.pause = outcome.retry_after;
  if (judgement.verdict == Verdict::kSent) return judgement;
  judgement.explanation = "unexpected HTTP status " + std::to_string(outcome.status);
  if (!outcome.error.empty()) judgement.explanation += "; " + outcome.error;
  if (!outcome.body_head.empty()) judgement.explanation += ": " + outcome.body_head;
  return judgement;
}

}  // namespace

std::string_view failure_reason_text(FailureReason reason) {
  switch (reason) {
    case FailureReason::kNone:
      return "";
    case FailureReason::kClientError:
      return "clientError";
    case FailureReason::kServerError:
      return "serverError";
    case FailureReason::kRateLimited:
      return "rateLimited";
    case FailureReason::kAuthError:
      return "authError";
    case FailureReason::kDeadlineExceeded:
      return "contextDeadlineExceeded";
    case FailureReason::kOther:
      return "other";
  }
  return "other";
}

Judgement judge_http(const DeliveryOutcome& outcome) {
  // A receiver that said 2xx has the message, however its answer's body ended; what was cut off
  // came after its status line, whatever that says.
  if (verdict_of_status(outcome.status) == Verdict::kSent) return judge_status(outcome);
  switch (outcome.failure) {
    case DeliveryFailure::kNone:
    case DeliveryFailure::kTooLarge:
      return judge_status(outcome);
    case DeliveryFailure::kRefusedAddress:
    case DeliveryFailure::kBadRequest:
      return {Verdict::kDead, FailureReason::kClientError, {}, outcome.error};
    case DeliveryFailure::kTimeout:
      return {Verdict::kRetry, FailureReason::kDeadlineExceeded, {}, outcome.error};
    case DeliveryFailure::kAuthentication:
      return {Verdict::kRetry, FailureReason::kAuthError, {}, outcome.error};
    case DeliveryFailure::kResolve:
    case DeliveryFailure::kConnect:
    case DeliveryFailure::kTls:
    case DeliveryFailure::kReset:
      break;
  }
  return {Verdict::kRetry, FailureReason::kOther, {}, outcome.error};
}

Duration retry_wait(const RetrySchedule& schedule, std::uint32_t attempts,
                    std::optional<std::chrono::seconds> retry_after, double random) {
  const std::uint32_t steps = std::min(attempts > 0 ? attempts - 1 : 0, kMostSteps);
  const double cap = static_cast<double>(schedule.cap.count());
  const double grown =
      static_cast<double>(schedule.first.count()) * std::pow(schedule.factor, steps);
  const double spread = std::min(grown, cap) * (0.5 + random / 2);
  const Duration computed{static_cast<Duration::rep>(spread)};
  if (!retry_after) return computed;
  // Compared in seconds: a receiver's number may not fit in microseconds.
  const auto longest = std::chrono::duration_cast<std::chrono::seconds>(schedule.retry_after_cap);
  return std::max<Duration>(computed, std::min(*retry_after, longest));
}

}  // namespace monitoring::notify
