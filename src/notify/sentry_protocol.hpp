#pragma once
// What Sentry's wire protocol has of its own: DSNs and rate limits.
// https://develop.sentry.dev/sdk/, sections "Overview" and "Rate Limiting"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "monitoring/base/result.hpp"

namespace monitoring::notify {

/// A data source name, scheme://public_key[:secret_key]@host[:port][/path]/project_id. All of it is
/// to be treated as a secret.
struct SentryDsn {
  std::string public_key;
  /// scheme://host[:port][/path]/api/project_id/envelope/
  std::string envelope_url;
};

/// Errors have a position and never a part of the text. The old secret key is dropped.
Result<SentryDsn> parse_sentry_dsn(std::string_view text);

/// For how long a header X-Sentry-Rate-Limits asks to send no events, if it does:
/// "seconds:categories:scope[:reason], ...", categories separated by semicolons, none meaning all.
/// A number that cannot be read counts as 60, as Sentry's documentation asks.
std::optional<std::chrono::seconds> sentry_event_limit(std::string_view header);

}  // namespace monitoring::notify
