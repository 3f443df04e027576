#pragma once
// Headers that a user adds to requests, as {"X-Name": "text", "Authorization": {"secret": "name"}}.

#include <optional>

#include "monitoring/base/json.hpp"
#include "monitoring/base/result.hpp"

namespace monitoring::notify {

/// What is wrong with them, if anything: no object, a name that is none, a header of the connection
/// itself, a value that is no text, or a literal where a secret belongs. Messages hold no value.
std::optional<Error> check_http_headers(const Json& headers);

}  // namespace monitoring::notify
