#include "monitoring/metrics/metric.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "monitoring/base/encoding.hpp"

namespace monitoring::metrics {

namespace {

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Where the first character is that may not stand there.
std::optional<std::size_t> first_wrong(std::string_view name, bool colons) {
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool allowed =
        is_letter(name[i]) || (colons && name[i] == ':') || (i > 0 && is_digit(name[i]));
    if (!allowed) return i;
  }
  return std::nullopt;
}

std::string quoted(std::string_view name) {
  return "\"" + truncated_characters(valid_utf8(name), 80) + "\"";
}

std::string_view take_text(std::string_view* rest) {
  const std::size_t end = std::min(rest->find('\0'), rest->size());
  const std::string_view text = rest->substr(0, end);
  rest->remove_prefix(std::min(end + 1, rest->size()));
  return text;
}

/// The longest beginning of at most `most` bytes that ends between two characters.
std::string_view cut(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  constexpr unsigned char kContinuationMask = 0xc0;
  constexpr unsigned char kContinuation = 0x80;
  while (most > 0 &&
         (static_cast<unsigned char>(text[most]) & kContinuationMask) == kContinuation) {
    --most;
  }
  return text.substr(0, most);
}

double rounded(double value) {
  char digits[32];
  const char* const end =
      std::to_chars(digits, digits + sizeof digits, value, std::chars_format::general, 15).ptr;
  std::from_chars(digits, end, value);
  return value;
}

template <class Bound>
Result<std::vector<double>> bounds_by(int count, Bound&& bound) {
  if (count < 1 || count > static_cast<int>(kMostBounds)) {
    return Error::of("count must be between 1 and " + std::to_string(kMostBounds));
  }
  std::vector<double> bounds;
  for (int i = 0; i < count; ++i) bounds.push_back(rounded(bound(i)));
  return checked_bounds(std::move(bounds));
}

}  // namespace

std::string_view type_name(MetricType type) {
  switch (type) {
    case MetricType::counter:
      return "counter";
    case MetricType::gauge:
      return "gauge";
    case MetricType::histogram:
      return "histogram";
  }
  return "";
}

std::optional<MetricType> parse_type(std::string_view name) {
  for (const MetricType type : {MetricType::counter, MetricType::gauge, MetricType::histogram}) {
    if (name == type_name(type)) return type;
  }
  return std::nullopt;
}

std::optional<Error> check_metric_name(std::string_view name) {
  constexpr const char* kHint =
      "Use letters, digits, underscores and colons; the first is no digit.";
  if (name.empty()) return Error::of("metric name must not be empty", kHint);
  if (name.size() > kLongestName) {
    return Error::of("metric name " + quoted(name) + " is longer than " +
                     std::to_string(kLongestName) + " bytes");
  }
  const auto wrong = first_wrong(name, true);
  if (!wrong) return std::nullopt;
  return Error::at(*wrong, "invalid metric name " + quoted(name), kHint);
}

std::optional<Error> check_label_name(std::string_view name) {
  constexpr const char* kHint = "Use letters, digits and underscores; the first is no digit.";
  if (name.empty()) return Error::of("label name must not be empty", kHint);
  if (const auto wrong = first_wrong(name, false)) {
    return Error::at(*wrong, "invalid label name " + quoted(name), kHint);
  }
  if (name == "le") {
    return Error::of("label name \"le\" is reserved", "It names the buckets of histograms.");
  }
  if (name.substr(0, 2) == "__") {
    return Error::of("label name " + quoted(name) + " is reserved",
                     "Prometheus uses names that start with two underscores.");
  }
  return std::nullopt;
}

Result<std::vector<double>> checked_bounds(std::vector<double> bounds) {
  if (!bounds.empty() && std::isinf(bounds.back()) && bounds.back() > 0) bounds.pop_back();
  if (bounds.empty()) {
    return Error::of("a histogram needs at least one bucket", "Name the upper bounds of buckets.");
  }
  if (bounds.size() > kMostBounds) {
    return Error::of("a histogram has at most " + std::to_string(kMostBounds) + " buckets");
  }
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    if (!std::isfinite(bounds[i])) return Error::of("bounds of buckets must be finite");
    if (i > 0 && bounds[i] <= bounds[i - 1]) {
      return Error::of("bounds of buckets must be in ascending order",
                       "Each is the upper bound of a bucket and belongs to it.");
    }
  }
  return bounds;
}

Result<std::vector<double>> linear_bounds(double start, double width, int count) {
  if (!(width > 0)) return Error::of("width must be greater than zero");
  return bounds_by(count, [&](int i) { return start + i * width; });
}

Result<std::vector<double>> exponential_bounds(double start, double factor, int count) {
  if (!(start > 0)) return Error::of("start must be greater than zero");
  if (!(factor > 1)) return Error::of("factor must be greater than 1");
  return bounds_by(count, [&](int i) { return start * std::pow(factor, i); });
}

std::size_t bucket_of(const double* bounds, std::size_t bound_count, double value) {
  // A processor foresees a short scan; it cannot foresee the turns of a bisection.
  constexpr std::size_t kShort = 20;
  if (bound_count > kShort) {
    return static_cast<std::size_t>(std::lower_bound(bounds, bounds + bound_count, value) - bounds);
  }
  std::size_t bucket = 0;
  while (bucket < bound_count && bounds[bucket] < value) ++bucket;
  return bucket;
}

std::string label_bytes(const Labels& labels) {
  std::string bytes;
  for (const auto& [name, value] : labels) {
    if (value.empty()) continue;
    bytes.append(name).push_back('\0');
    bytes.append(value).push_back('\0');
  }
  return bytes;
}

LabelBuffer& LabelBuffer::add(std::string_view name, std::string_view value) {
  const std::size_t room = sizeof bytes_ - used_;
  if (value.empty() || name.size() + 3 > room) return *this;
  value = cut(value, room - name.size() - 2);
  for (const std::string_view text : {name, value}) {
    std::memcpy(bytes_ + used_, text.data(), text.size());
    used_ += text.size();
    bytes_[used_++] = '\0';
  }
  return *this;
}

bool LabelReader::next(std::string_view* name, std::string_view* value) {
  if (rest_.empty()) return false;
  *name = take_text(&rest_);
  *value = take_text(&rest_);
  return true;
}

}  // namespace monitoring::metrics
