#include "monitoring/notify/url.hpp"

#include <algorithm>
#include <cctype>
#include <string>

namespace monitoring::notify {

namespace {

constexpr std::size_t kLongestUrl = 8192;

bool is_scheme_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '+' || c == '-' || c == '.';
}

bool equal_ignoring_case(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(), [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == b;
  });
}

/// The first byte that no URL holds: controls, space, DEL, and quotes of all kinds.
std::size_t find_foreign_byte(std::string_view url) {
  const auto found = std::find_if(url.begin(), url.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte <= ' ' || byte == 0x7f || c == '"' || c == '<' || c == '>' || c == '\\' ||
           c == '^' || c == '`' || c == '{' || c == '|' || c == '}';
  });
  return found == url.end() ? std::string_view::npos
                            : static_cast<std::size_t>(found - url.begin());
}

bool is_port(std::string_view port) {
  if (port.empty() || port.size() > 5) return false;
  int value = 0;
  for (const char c : port) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + (c - '0');
  }
  return value >= 1 && value <= 65535;
}

bool is_host_char(char c) {
  // Bytes above 0x7f belong to internationalised names.
  const auto byte = static_cast<unsigned char>(c);
  return std::isalnum(byte) != 0 || byte >= 0x80 || c == '-' || c == '.' || c == '_';
}

bool is_ipv6_char(char c) {
  return std::isxdigit(static_cast<unsigned char>(c)) != 0 || c == ':' || c == '.';
}

/// Splits "host", "host:port" or "[address]:port", which starts at `offset` of the URL.
Result<HttpUrl> split_authority(std::string_view authority, std::size_t offset) {
  HttpUrl url;
  std::string_view rest;
  if (!authority.empty() && authority.front() == '[') {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) return Error::at(offset, "\"[\" without \"]\" in URL");
    url.host = authority.substr(1, close - 1);
    rest = authority.substr(close + 1);
    if (!std::all_of(url.host.begin(), url.host.end(), is_ipv6_char)) {
      return Error::at(offset, "malformed IPv6 address in URL");
    }
  } else {
    url.host = authority.substr(0, authority.find(':'));
    rest = authority.substr(url.host.size());
    if (!std::all_of(url.host.begin(), url.host.end(), is_host_char)) {
      return Error::at(offset, "malformed host name in URL");
    }
  }
  if (url.host.empty()) return Error::at(offset, "URL has no host");
  if (rest.empty()) return url;
  const std::size_t port_offset = offset + (authority.size() - rest.size()) + 1;
  if (rest.front() != ':' || !is_port(rest.substr(1))) {
    return Error::at(port_offset, "malformed port in URL", "A port is a number up to 65535.");
  }
  url.port = rest.substr(1);
  return url;
}

}  // namespace

Result<HttpUrl> check_http_url(std::string_view url) {
  if (url.size() > kLongestUrl) return Error::at(kLongestUrl, "URL is too long");
  const std::size_t foreign = find_foreign_byte(url);
  if (foreign != std::string_view::npos) {
    return Error::at(foreign, "malformed URL", "Spaces and quotes are written as %20, %22.");
  }
  const auto scheme_end = std::find_if_not(url.begin(), url.end(), is_scheme_char);
  const std::string_view scheme = url.substr(0, static_cast<std::size_t>(scheme_end - url.begin()));
  const std::size_t authority_start = scheme.size() + 3;
  if (scheme.empty() || url.substr(scheme.size(), 3) != "://") {
    return Error::at(0, "malformed URL", "Write it as https://host/path.");
  }
  if (!equal_ignoring_case(scheme, "http") && !equal_ignoring_case(scheme, "https")) {
    return Error::at(0, "URL scheme \"" + std::string(scheme) + "\" is not supported",
                     "Only http and https are.");
  }
  const std::string_view after = url.substr(authority_start);
  const std::string_view authority = after.substr(0, after.find_first_of("/?#"));
  if (authority.find('@') != std::string_view::npos) {
    return Error::at(authority_start, "URL holds a user name or password",
                     "Put credentials into a header whose value is a secret.");
  }
  Result<HttpUrl> parts = split_authority(authority, authority_start);
  if (!parts) return parts;
  parts.value().scheme = scheme;
  parts.value().target = after.substr(authority.size());
  if (parts->target.find('#') != std::string_view::npos) {
    return Error::at(url.find('#'), "URL has a fragment", "Remove what follows \"#\".");
  }
  return parts;
}

}  // namespace monitoring::notify
