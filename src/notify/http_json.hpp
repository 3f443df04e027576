#pragma once
// A JSON body as an HTTP request.

#include <string>

#include "monitoring/base/result.hpp"
#include "monitoring/notify/delivery.hpp"

namespace monitoring::notify {

/// POST of `body` to `url`. `setting` names where the URL came from, for the error where it is
/// none: a secret's value may be anything, and must not be shown.
Result<HttpDelivery> post_json(const std::string& url, const char* setting, std::string body);

}  // namespace monitoring::notify
