#include "notify/http_json.hpp"

#include "monitoring/notify/url.hpp"

namespace monitoring::notify {

std::string json_text(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

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
