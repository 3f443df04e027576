#include "notify/http_json.hpp"

#include "monitoring/base/json.hpp"
#include "monitoring/notify/url.hpp"

namespace monitoring::notify {

Result<HttpDelivery> post_json(const std::string& url, const char* setting, std::string body) {
  if (!check_http_url(url)) {
    return Error::of(
        "the value of setting \"" + std::string(setting) + "\" is not an http or https URL",
        "If it names a secret, set that secret again.");
  }
  HttpDelivery request;
  request.url = url;
  request.headers.emplace_back("Content-Type", "application/json");
  request.body = std::move(body);
  return request;
}

}  // namespace monitoring::notify
