// What a request's headers say about the answer: formats, encodings, and who asks.

#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "monitoring/transport/http_server.hpp"

namespace monitoring::transport {

namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_word(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trimmed(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

/// Cuts the text before the next separator off its front.
std::string_view take_until(std::string_view* text, char separator) {
  const std::size_t end = std::min(text->find(separator), text->size());
  const std::string_view piece = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  return trimmed(piece);
}

/// One entry of an Accept or Accept-Encoding header.
struct Offer {
  std::string_view name;
  std::string_view version;
  double quality = 1;
};

/// A quality that is no number counts as none at all.
double quality_of(std::string_view text) {
  double quality = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), quality);
  return parsed.ec == std::errc() ? quality : 0;
}

Offer take_offer(std::string_view* header) {
  std::string_view entry = take_until(header, ',');
  Offer offer;
  offer.name = take_until(&entry, ';');
  while (!entry.empty()) {
    std::string_view parameter = take_until(&entry, ';');
    const std::string_view key = take_until(&parameter, '=');
    if (same_word(key, "q")) offer.quality = quality_of(trimmed(parameter));
    if (same_word(key, "version")) offer.version = trimmed(parameter);
  }
  return offer;
}

}  // namespace

bool prefers_openmetrics(std::string_view accept) {
  double openmetrics = 0;
  double text = 0;
  while (!accept.empty()) {
    const Offer offer = take_offer(&accept);
    const bool is_ours = offer.version.empty() || offer.version == "1.0.0";
    if (same_word(offer.name, "application/openmetrics-text") && is_ours) {
      openmetrics = std::max(openmetrics, offer.quality);
    }
    if (same_word(offer.name, "text/plain")) text = std::max(text, offer.quality);
  }
  return openmetrics > 0 && openmetrics >= text;
}

bool accepts_gzip(std::string_view accept_encoding) {
  while (!accept_encoding.empty()) {
    const Offer offer = take_offer(&accept_encoding);
    if (same_word(offer.name, "gzip")) return offer.quality > 0;
  }
  return false;
}

bool bears_token(std::string_view authorization, std::string_view token) {
  const std::string_view scheme = authorization.substr(0, authorization.find(' '));
  if (token.empty() || !same_word(scheme, "Bearer")) return false;
  const std::string_view given = trimmed(authorization.substr(scheme.size()));
  // Every byte of the token is looked at, whatever was given.
  unsigned differs = given.size() == token.size() ? 0 : 1;
  for (std::size_t i = 0; i < token.size(); ++i) {
    const char c = given.empty() ? '\0' : given[i % given.size()];
    differs |= static_cast<unsigned char>(c ^ token[i]);
  }
  return differs == 0;
}

std::string gzip(std::string_view text) {
  constexpr int kGzip = 15 + 16;  // the largest window, and gzip's header instead of zlib's
  constexpr int kMemory = 8;
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzip, kMemory, Z_DEFAULT_STRATEGY) != Z_OK) {
    return {};
  }
  std::string packed(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int ending = deflate(&stream, Z_FINISH);
  packed.resize(ending == Z_STREAM_END ? stream.total_out : 0);
  deflateEnd(&stream);
  return packed;
}

}  // namespace monitoring::transport
