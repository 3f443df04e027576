#include "notify/sentry_protocol.hpp"

#include <algorithm>
#include <charconv>

#include "monitoring/notify/url.hpp"

namespace monitoring::notify {

namespace {

constexpr std::chrono::seconds kUnreadableLimit{60};
constexpr std::string_view kDsnHint = "A DSN looks like https://key@host/42.";

bool word(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_';
  });
}

Error wrong(std::size_t position, std::string message) {
  return Error::at(position, std::move(message), std::string(kDsnHint));
}

/// The part before the separator; `rest` goes on behind it.
std::string_view next_part(std::string_view& rest, char separator) {
  const std::string_view part = rest.substr(0, rest.find(separator));
  rest.remove_prefix(std::min(rest.size(), part.size() + 1));
  return part;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

/// Events are of category error, or default where a server is older.
bool concerns_events(std::string_view categories) {
  if (categories.empty()) return true;
  while (!categories.empty()) {
    const std::string_view category = next_part(categories, ';');
    if (category == "error" || category == "default") return true;
  }
  return false;
}

std::chrono::seconds limit_seconds(std::string_view text) {
  std::uint32_t seconds = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), seconds);
  return read.ec == std::errc() ? std::chrono::seconds(seconds) : kUnreadableLimit;
}

}  // namespace

Result<SentryDsn> parse_sentry_dsn(std::string_view text) {
  const auto scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) return wrong(0, "Sentry DSN has no scheme");
  const std::string scheme(text.substr(0, scheme_end));
  if (scheme != "http" && scheme != "https") return wrong(0, "Sentry DSN has an unknown scheme");
  const std::size_t key_start = scheme_end + 3;
  const auto at = text.find('@', key_start);
  if (at == std::string_view::npos) return wrong(key_start, "Sentry DSN has no public key");
  const std::string_view keys = text.substr(key_start, at - key_start);
  const std::string_view key = keys.substr(0, keys.find(':'));
  if (!word(key)) return wrong(key_start, "Sentry DSN has a malformed public key");

  const std::size_t host_start = at + 1;
  const auto last_slash = text.rfind('/');
  if (last_slash < host_start) return wrong(host_start, "Sentry DSN has no project");
  if (!word(text.substr(last_slash + 1))) {
    return wrong(last_slash + 1, "Sentry DSN has a malformed project");
  }
  SentryDsn dsn;
  dsn.public_key = key;
  dsn.envelope_url = scheme + "://" +
                     std::string(text.substr(host_start, last_slash - host_start)) + "/api/" +
                     std::string(text.substr(last_slash + 1)) + "/envelope/";
  if (!check_http_url(dsn.envelope_url)) {
    return wrong(host_start, "Sentry DSN has a malformed host or path");
  }
  return dsn;
}

std::optional<std::chrono::seconds> sentry_event_limit(std::string_view header) {
  std::optional<std::chrono::seconds> longest;
  while (!header.empty()) {
    std::string_view limit = trimmed(next_part(header, ','));
    if (limit.empty()) continue;
    const auto seconds = limit_seconds(next_part(limit, ':'));
    if (!concerns_events(next_part(limit, ':'))) continue;
    longest = std::max(longest.value_or(seconds), seconds);
  }
  return longest;
}

}  // namespace monitoring::notify
