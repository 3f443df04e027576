#include "monitoring/notify/rate_limit.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "monitoring/base/json.hpp"
#include "monitoring/notify/receiver.hpp"

namespace monitoring::notify {

namespace {

constexpr std::uint32_t kLargestBurst = 1'000'000;
constexpr Duration kShortest = std::chrono::microseconds(1);
constexpr Duration kLongest = std::chrono::hours(24);

struct Period {
  const char* key;
  Duration length;
};

constexpr Period kPeriods[] = {
    {"per_second", std::chrono::seconds(1)},
    {"per_minute", std::chrono::minutes(1)},
    {"per_hour", std::chrono::hours(1)},
};

Error malformed() {
  return Error::of(
      "a rate limit is false, or an object with one of \"per_second\", \"per_minute\" and "
      "\"per_hour\" and, optionally, \"burst\"",
      "For example {\"per_minute\": 20, \"burst\": 5}: at least one a day, at most 1000000.");
}

/// The time that one request is worth, or nothing where it is out of bounds.
std::optional<Duration> interval_of(const Period& period, const Json& rate) {
  if (!rate.is_number()) return std::nullopt;
  const double interval = static_cast<double>(period.length.count()) / rate.number();
  // Also false for infinity and NaN.
  const bool within = interval >= static_cast<double>(kShortest.count()) &&
                      interval <= static_cast<double>(kLongest.count());
  if (!within) return std::nullopt;
  return Duration(static_cast<Duration::rep>(interval));
}

std::optional<std::uint32_t> burst_of(const Json& burst) {
  if (!burst.is_integer()) return std::nullopt;
  const auto count = burst.integer();
  if (count < 1 || count > kLargestBurst) return std::nullopt;
  return static_cast<std::uint32_t>(count);
}

/// A limit that was relaxed does not make anybody wait for what the old one had used up.
Instant within_bucket(const RateLimit& limit, Instant full_at, Instant now) {
  return std::clamp(full_at, now, now + limit.burst * limit.interval);
}

}  // namespace

Result<RateLimit> parse_rate_limit(const Json& value) {
  if (!value.is_object() || value.size() != (value.contains("burst") ? 2 : 1)) return malformed();
  const auto period = std::find_if(std::begin(kPeriods), std::end(kPeriods),
                                   [&](const Period& each) { return value.contains(each.key); });
  if (period == std::end(kPeriods)) return malformed();
  const auto interval = interval_of(*period, value[period->key]);
  const auto burst = burst_of(value.value("burst", Json(1)));
  if (!interval || !burst) return malformed();
  return RateLimit{*interval, *burst};
}

std::optional<RateLimit> rate_limit_of(std::string_view kind, const Json& setting) {
  if (setting.is_boolean() && !setting.boolean()) return std::nullopt;
  if (auto limit = parse_rate_limit(setting)) return *limit;
  const ReceiverKind* found = find_receiver_kind(kind);
  return found == nullptr ? std::nullopt : found->rate_limit;
}

std::uint32_t requests_allowed(const RateLimit& limit, Instant full_at, Instant now) {
  const Duration missing = within_bucket(limit, full_at, now) - now;
  const auto used = (missing + limit.interval - Duration(1)) / limit.interval;
  return limit.burst - static_cast<std::uint32_t>(used);
}

Instant full_after(const RateLimit& limit, Instant full_at, std::uint32_t requests, Instant now) {
  return within_bucket(limit, full_at, now) + requests * limit.interval;
}

Instant next_request_at(const RateLimit& limit, Instant full_at) {
  return full_at - (limit.burst - 1) * limit.interval;
}

}  // namespace monitoring::notify
