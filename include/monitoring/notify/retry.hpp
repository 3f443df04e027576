#pragma once
// Whether and when a notification is tried again: pure functions of an outcome, the number of
// attempts and a random number that is passed in.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "monitoring/base/clock.hpp"
#include "monitoring/notify/delivery.hpp"

namespace monitoring::notify {

enum class Verdict {
  kSent,   // the receiver took it
  kRetry,  // may succeed later
  kDead,   // will never succeed as it is
};

/// Why an attempt failed, in the words of alertmanager_notifications_failed_total's label `reason`.
enum class FailureReason {
  kNone,              // it did not
  kClientError,       // "clientError": 4xx, a permanent SMTP reply, a request that cannot be made
  kServerError,       // "serverError": 5xx, a transient SMTP reply
  kRateLimited,       // "rateLimited": 429
  kAuthError,         // "authError": 401, 403, SMTP AUTH refused
  kDeadlineExceeded,  // "contextDeadlineExceeded": no answer in time
  kOther,             // "other": the network
};

/// The label's value; "" for kNone.
std::string_view failure_reason_text(FailureReason reason);

/// What one attempt means for the notification.
struct Judgement {
  Verdict verdict = Verdict::kSent;
  FailureReason reason = FailureReason::kNone;
  /// How long the receiver wants to be left alone; also possible with kSent (Sentry).
  std::optional<std::chrono::seconds> pause;
  /// For people: what went wrong, "" when sent. Holds at most the head of the receiver's answer.
  std::string explanation;
};

/// The plain HTTP judgement: 2xx sent; 408, 429, 5xx and trouble on the way retried; all else dead.
/// A refused address and a malformed request are dead.
Judgement judge_http(const DeliveryOutcome& outcome);

struct RetrySchedule {
  /// The wait after the first failed attempt; each later one is `factor` times as long.
  Duration first = std::chrono::milliseconds(500);
  double factor = 2.0;
  /// No computed wait is longer.
  Duration cap = std::chrono::minutes(5);
  /// No Retry-After is honoured beyond this: a receiver cannot park a notification for a year.
  Duration retry_after_cap = std::chrono::hours(1);
};

/// How long to wait after the `attempts`-th attempt (counted from 1) failed. `random` is uniform in
/// [0, 1) and spreads the wait over [1/2, 1] of its value. A Retry-After is a lower bound.
Duration retry_wait(const RetrySchedule& schedule, std::uint32_t attempts,
                    std::optional<std::chrono::seconds> retry_after, double random);

}  // namespace monitoring::notify
