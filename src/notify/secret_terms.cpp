#include "monitoring/notify/secret_terms.hpp"

#include <algorithm>
#include <cctype>

#include "monitoring/base/json.hpp"
#include "monitoring/notify/receiver.hpp"
#include "monitoring/notify/url.hpp"
#include "notify/settings.hpp"

namespace monitoring::notify {

namespace {

struct Service {
  std::string_view kind;
  std::string_view host;
};

/// Hosts of the services that kinds are made for: a secret of theirs is at home there.
constexpr Service kServices[] = {{"pagerduty", "events.pagerduty.com"},
                                 {"pagerduty", "events.eu.pagerduty.com"},
                                 {"slack", "hooks.slack.com"},
                                 {"sms", "api.twilio.com"}};

constexpr std::size_t kMostEntries = 100;
constexpr std::size_t kLongestHost = 260;

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() > end.size() && text.substr(text.size() - end.size()) == end;
}

std::string_view port_of_scheme(std::string_view scheme) {
  if (scheme == "https" || scheme == "tls") return "443";
  if (scheme == "smtp") return "25";
  if (scheme == "smtps") return "465";
  return "80";
}

/// "host", "host:port", "[address]" or "[address]:port".
Destination split_host(std::string_view authority, std::string_view port) {
  Destination found{lower(authority), std::string(port)};
  const std::size_t colon = authority.rfind(':');
  // An IPv6 address without brackets has no port.
  const bool has_port = colon != std::string_view::npos &&
                        authority.find(']', colon) == std::string_view::npos &&
                        (authority.find(':') == colon || authority.front() == '[');
  if (has_port)
    found = {lower(authority.substr(0, colon)), std::string(authority.substr(colon + 1))};
  // The root's dot changes nothing.
  if (ends_with(found.host, ".")) found.host.pop_back();
  if (found.host.size() > 2 && found.host.front() == '[' && found.host.back() == ']') {
    found.host = found.host.substr(1, found.host.size() - 2);
  }
  return found;
}

bool matches(std::string_view pattern, const Destination& destination) {
  if (pattern == "*") return true;
  const Destination wanted = split_host(pattern, "");
  if (!wanted.port.empty() && wanted.port != destination.port) return false;
  if (wanted.host.rfind("*.", 0) != 0) return wanted.host == destination.host;
  return ends_with(destination.host, std::string_view(wanted.host).substr(1));
}

bool is_own_service(std::string_view kind, const Destination& destination) {
  return std::any_of(std::begin(kServices), std::end(kServices), [&](const Service& service) {
    return service.kind == kind && service.host == destination.host && destination.port == "443";
  });
}

bool host_allowed(const SecretTerms& terms, std::string_view kind, const Destination& destination,
                  std::string_view value) {
  if (terms.allowed_hosts) {
    return std::any_of(terms.allowed_hosts->begin(), terms.allowed_hosts->end(),
                       [&](const std::string& pattern) { return matches(pattern, destination); });
  }
  if (terms.is_trusted || is_own_service(kind, destination)) return true;
  const auto named = destination_of_url(value);
  return named && named->host == destination.host && named->port == destination.port;
}

Error refused(std::string_view secret_name, const std::string& where, std::string hint) {
  return Error::of("secret \"" + std::string(secret_name) + "\" may not be sent " + where,
                   std::move(hint));
}

bool is_host_pattern(std::string_view text) {
  if (text == "*") return true;
  if (text.empty() || text.size() > kLongestHost) return false;
  std::string_view host = text;
  if (host.rfind("*.", 0) == 0) host.remove_prefix(2);
  const auto url = "http://" + std::string(host) + "/";
  return host.find_first_of("/?#@* ") == std::string_view::npos && destination_of_url(url) &&
         check_http_url(url);
}

std::optional<Error> check_list(const std::vector<std::string>& list, const char* name) {
  if (list.empty()) {
    return Error::of(std::string(name) + " must not be empty",
                     "Leave it out, or write NULL, where nothing is to be said.");
  }
  if (list.size() <= kMostEntries) return std::nullopt;
  return Error::of(std::string(name) + " holds more than " + std::to_string(kMostEntries) +
                   " entries");
}

}  // namespace

std::optional<Destination> destination_of_url(std::string_view url) {
  const std::size_t separator = url.find("://");
  if (separator == std::string_view::npos) return std::nullopt;
  const std::string scheme = lower(url.substr(0, separator));
  std::string_view authority = url.substr(separator + 3);
  authority = authority.substr(0, authority.find_first_of("/?#"));
  // Of a Sentry DSN the key comes first.
  const std::size_t user_end = authority.rfind('@');
  if (user_end != std::string_view::npos) authority.remove_prefix(user_end + 1);
  Destination found = split_host(authority, port_of_scheme(scheme));
  if (found.host.empty()) return std::nullopt;
  return found;
}

std::optional<Destination> known_destination(std::string_view kind, const Json& settings) {
  if (!settings.is_object()) return std::nullopt;
  if (settings.contains("url")) return destination_of_url(text_setting(settings, "url"));
  const std::string smarthost = text_setting(settings, "smarthost");
  if (!smarthost.empty()) return split_host(smarthost, "587");
  for (const Service& service : kServices) {
    if (service.kind == kind) return Destination{std::string(service.host), "443"};
  }
  return std::nullopt;
}

std::optional<Error> check_destination(std::string_view secret_name, const SecretTerms& terms,
                                       std::string_view kind,
                                       const std::optional<Destination>& destination,
                                       std::string_view value) {
  constexpr const char* kHint =
      "Whoever stores the secret says where it may go: monitoring.set_secret(secret_name, "
      "secret_value, allowed_kinds, allowed_hosts).";
  const auto& kinds = terms.allowed_kinds;
  if (kinds && std::find(kinds->begin(), kinds->end(), kind) == kinds->end()) {
    return refused(secret_name, "by kind \"" + std::string(kind) + "\"", kHint);
  }
  if (!destination || host_allowed(terms, kind, *destination, value)) return std::nullopt;
  return refused(secret_name, "to host \"" + destination->host + "\", port " + destination->port,
                 kHint);
}

std::optional<Error> check_allowed_kinds(const std::vector<std::string>& kinds) {
  if (auto error = check_list(kinds, "allowed_kinds")) return error;
  for (const std::string& kind : kinds) {
    if (kind == kProbeKind || find_receiver_kind(kind) != nullptr) continue;
    return Error::of(
        "unknown kind \"" + kind.substr(0, kLongestHost) + "\" in allowed_kinds",
        "Known kinds: " + receiver_kind_names() + ", " + std::string(kProbeKind) + ".");
  }
  return std::nullopt;
}

std::optional<Error> check_allowed_hosts(const std::vector<std::string>& hosts) {
  if (auto error = check_list(hosts, "allowed_hosts")) return error;
  for (const std::string& host : hosts) {
    if (is_host_pattern(host)) continue;
    return Error::of(
        "malformed host \"" + host.substr(0, kLongestHost) + "\" in allowed_hosts",
        "Write hooks.example.com, hooks.example.com:8443, *.example.com, or * for any.");
  }
  return std::nullopt;
}

}  // namespace monitoring::notify
