#include "monitoring/base/labels.hpp"

#include <algorithm>
#include <cstdio>

namespace monitoring {

namespace {

constexpr std::uint64_t kFnvOffset = 14695981039346656037ULL;
constexpr std::uint64_t kFnvPrime = 1099511628211ULL;
/// Separates names from values: a byte that no UTF-8 text contains.
constexpr unsigned char kSeparator = 255;

std::uint64_t add_byte(std::uint64_t hash, unsigned char byte) {
  return (hash ^ byte) * kFnvPrime;
}

std::uint64_t add_text(std::uint64_t hash, std::string_view text) {
  for (const char c : text) hash = add_byte(hash, static_cast<unsigned char>(c));
  return hash;
}

bool name_before(const Labels::Pair& pair, std::string_view name) {
  return pair.first < name;
}

}  // namespace

Labels::Labels(std::initializer_list<Pair> pairs) {
  for (const auto& [name, value] : pairs) set(name, value);
}

std::string_view Labels::get(std::string_view name) const {
  const auto at = std::lower_bound(pairs_.begin(), pairs_.end(), name, name_before);
  if (at == pairs_.end() || at->first != name) return {};
  return at->second;
}

bool Labels::has(std::string_view name) const {
  const auto at = std::lower_bound(pairs_.begin(), pairs_.end(), name, name_before);
  return at != pairs_.end() && at->first == name;
}

void Labels::set(std::string name, std::string value) {
  const auto at =
      std::lower_bound(pairs_.begin(), pairs_.end(), std::string_view(name), name_before);
  if (at != pairs_.end() && at->first == name) {
    at->second = std::move(value);
    return;
  }
  pairs_.emplace(at, std::move(name), std::move(value));
}

void Labels::erase(std::string_view name) {
  const auto at = std::lower_bound(pairs_.begin(), pairs_.end(), name, name_before);
  if (at != pairs_.end() && at->first == name) pairs_.erase(at);
}

std::uint64_t Labels::fingerprint() const {
  std::uint64_t hash = kFnvOffset;
  for (const auto& [name, value] : pairs_) {
    hash = add_byte(add_text(hash, name), kSeparator);
    hash = add_byte(add_text(hash, value), kSeparator);
  }
  return hash;
}

bool is_label_name(std::string_view name) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto is_of_names = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c);
  };
  return !name.empty() && !is_digit(name[0]) && std::all_of(name.begin(), name.end(), is_of_names);
}

std::string fingerprint_text(std::uint64_t fingerprint) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(fingerprint));
  return text;
}

}  // namespace monitoring
