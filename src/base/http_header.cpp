#include "monitoring/base/http_header.hpp"

#include <algorithm>
#include <cctype>
#include <string>

namespace monitoring {

namespace {

/// Of more than one header's name: "Proxy-Authorization", "X-Auth-Token", "X-Api-Key",
/// "Set-Cookie".
constexpr std::string_view kCredentialWords[] = {
    "authorization", "authentication", "auth-",       "token",  "secret",  "passw",
    "passphrase",    "credential",     "api-key",     "apikey", "api_key", "access-key",
    "accesskey",     "access_key",     "private-key", "cookie", "session", "jwt"};

/// Schemes of Authorization, with the space behind them.
constexpr std::string_view kCredentialSchemes[] = {
    "basic ", "bearer ", "digest ", "token ", "apikey ", "negotiate ", "ntlm ", "aws4-hmac-"};

constexpr std::string_view kConnectionHeaders[] = {
    "connection",     "content-length",    "expect",  "host",
    "http2-settings", "keep-alive",        "te",      "trailer",
    "trailers",       "transfer-encoding", "upgrade", "via"};

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

}  // namespace

bool header_name_allowed(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

bool header_value_allowed(std::string_view value) {
  return std::none_of(value.begin(), value.end(),
                      [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7F; });
}

bool is_connection_header(std::string_view name) {
  const std::string wanted = lower(name);
  // Among them "Proxy-Connection"; there never is a proxy.
  if (starts_with(wanted, "proxy-")) return true;
  return std::find(std::begin(kConnectionHeaders), std::end(kConnectionHeaders), wanted) !=
         std::end(kConnectionHeaders);
}

bool carries_credentials(std::string_view name, std::string_view value) {
  const std::string of_name = lower(name);
  const bool named_so =
      std::any_of(std::begin(kCredentialWords), std::end(kCredentialWords),
                  [&](std::string_view word) { return of_name.find(word) != std::string::npos; });
  const std::string of_value = lower(value.substr(0, 16));
  return named_so || ends_with(of_name, "auth") ||
         std::any_of(std::begin(kCredentialSchemes), std::end(kCredentialSchemes),
                     [&](std::string_view scheme) { return starts_with(of_value, scheme); });
}

}  // namespace monitoring
