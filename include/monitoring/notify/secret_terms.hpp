#pragma once
// Where a secret may go. Whoever stores a secret says it, with the value; who only knows its name
// may not send it elsewhere.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/base/json.hpp"
#include "monitoring/base/result.hpp"

namespace monitoring::notify {

/// The kind of what is sent by a probe, among the kinds of receivers.
inline constexpr std::string_view kProbeKind = "probe";

/// What was said of a secret when it was stored, and of who uses it.
struct SecretTerms {
  std::optional<std::vector<std::string>> allowed_kinds;  ///< none: every kind
  /// "host", "host:port", "*.domain" or "*". None: the hosts of the kind's own service, the host
  /// that the secret itself names, and whatever was chosen by somebody who is trusted with it.
  std::optional<std::vector<std::string>> allowed_hosts;
  /// Who made the receiver or probe has stored the secret, or may read it anyway.
  bool is_trusted = false;
};

/// Host and port of a URL of any scheme, lower case; the port is the scheme's own where it has
/// none.
struct Destination {
  std::string host;
  std::string port;
};
std::optional<Destination> destination_of_url(std::string_view url);

/// Where receivers with such settings send to, as far as the settings say it: not where a secret
/// holds the URL. Safe on unchecked settings.
std::optional<Destination> known_destination(std::string_view kind, const Json& settings);

/// What keeps the secret from going there, if anything. Without a destination what is known is
/// looked at. `value`, where it is known, may be a URL that names the destination itself.
std::optional<Error> check_destination(std::string_view secret_name, const SecretTerms& terms,
                                       std::string_view kind,
                                       const std::optional<Destination>& destination,
                                       std::string_view value = {});

/// What is wrong with such a list, if anything.
std::optional<Error> check_allowed_kinds(const std::vector<std::string>& kinds);
std::optional<Error> check_allowed_hosts(const std::vector<std::string>& hosts);

}  // namespace monitoring::notify
