#include "monitoring/notify/redaction.hpp"

#include <algorithm>

#include "monitoring/base/encoding.hpp"
#include "monitoring/base/json.hpp"
#include "monitoring/notify/url.hpp"

namespace monitoring::notify {

namespace {

constexpr std::string_view kMark = "[secret]";
/// Shorter texts would turn up anywhere.
constexpr std::size_t kShortest = 4;

/// As it stands between the quotes of a JSON string.
std::string json_spelling(std::string_view text) {
  const std::string quoted = Json(text).dump();
  return quoted.substr(1, quoted.size() - 2);
}

/// How many bytes at the end of the text are the beginning of a longer `hidden`.
std::size_t cut_off(std::string_view text, std::string_view hidden) {
  for (std::size_t length = std::min(text.size(), hidden.size()); length >= kShortest; --length) {
    if (text.substr(text.size() - length) == hidden.substr(0, length)) return length;
  }
  return 0;
}

}  // namespace

void Redaction::hide(std::string_view text) {
  const bool known = std::find(hidden_.begin(), hidden_.end(), text) != hidden_.end();
  if (known || text.size() < kShortest) return;
  const auto shorter = [&](const std::string& other) { return other.size() < text.size(); };
  hidden_.emplace(std::find_if(hidden_.begin(), hidden_.end(), shorter), text);
}

void Redaction::add_secret(std::string_view value) {
  hide(value);
  hide(json_spelling(value));
  hide(percent_encoded(value));
  if (const auto url = check_http_url(value)) hide(url->target);
}

void Redaction::add_request(const DeliveryRequest& request) {
  const auto* http = std::get_if<HttpDelivery>(&request);
  if (http == nullptr) return;
  for (const auto& [name, value] : http->headers) {
    if (name == "Authorization") hide(std::string_view(value).substr(value.find(' ') + 1));
  }
}

std::string Redaction::apply(std::string text) const {
  for (const std::string& hidden : hidden_) {
    for (std::size_t at = text.find(hidden); at != std::string::npos;
         at = text.find(hidden, at + kMark.size())) {
      text.replace(at, hidden.size(), kMark);
    }
  }
  for (const std::string& hidden : hidden_) {
    const std::size_t length = cut_off(text, hidden);
    if (length > 0) text.replace(text.size() - length, length, kMark);
  }
  return text;
}

}  // namespace monitoring::notify
