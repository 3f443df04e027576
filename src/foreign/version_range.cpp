#include "monitoring/foreign/version_range.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace monitoring::foreign {

namespace {

constexpr std::string_view kBlank = " \t\r\n";

/// A version with the count of its parts that are given.
struct Pattern {
  Version version{0, 0, 0};
  std::size_t given = 0;
};

/// Cuts the part before the first of `separators` off; nothing is left where there is none.
std::string_view cut(std::string_view* rest, std::string_view separator) {
  const std::size_t end = rest->find(separator);
  const std::string_view part = rest->substr(0, end);
  *rest = end == std::string_view::npos ? std::string_view() : rest->substr(end + separator.size());
  return part;
}

bool is_wildcard(std::string_view part) {
  return part == "x" || part == "X" || part == "*";
}

std::optional<int> number_of(std::string_view part) {
  int number = 0;
  const auto [end, failure] = std::from_chars(part.data(), part.data() + part.size(), number);
  if (failure != std::errc() || end != part.data() + part.size() || number < 0) return {};
  return number;
}

std::optional<Pattern> pattern_of(std::string_view text) {
  if (text.empty() || text.back() == '.') return std::nullopt;
  Pattern pattern;
  bool is_open = false;
  for (std::size_t count = 0; !text.empty(); ++count) {
    const std::string_view part = cut(&text, ".");
    if (count == pattern.version.size()) return std::nullopt;
    is_open = is_open || is_wildcard(part);
    if (is_wildcard(part)) continue;
    const auto number = number_of(part);
    if (!number || is_open) return std::nullopt;
    pattern.version[pattern.given++] = *number;
  }
  return pattern;
}

bool matches(const Version& version, const Pattern& pattern) {
  return std::equal(pattern.version.begin(), pattern.version.begin() + pattern.given,
                    version.begin());
}

std::optional<bool> holds(const Version& version, std::string_view comparison) {
  const std::size_t length = std::min(comparison.find_first_not_of("<>=!"), comparison.size());
  const std::string_view sign = comparison.substr(0, length);
  const auto pattern = pattern_of(comparison.substr(length));
  if (!pattern) return std::nullopt;
  if (sign == "<") return version < pattern->version;
  if (sign == "<=") return version < pattern->version || matches(version, *pattern);
  if (sign == ">") return version > pattern->version && !matches(version, *pattern);
  if (sign == ">=") return version >= pattern->version;
  if (sign == "!" || sign == "!=") return !matches(version, *pattern);
  if (sign.empty() || sign == "=" || sign == "==") return matches(version, *pattern);
  return std::nullopt;
}

/// A sign may stand apart from its version.
std::string joined(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const bool is_blank = kBlank.find(c) != std::string_view::npos;
    const bool follows_sign =
        !result.empty() && std::string_view("<>=!").find(result.back()) != std::string_view::npos;
    if (!is_blank) result.push_back(c);
    if (is_blank && !follows_sign) result.push_back(' ');
  }
  return result;
}

/// Whether all comparisons hold; nothing where there is none, or one cannot be read.
std::optional<bool> all_hold(const Version& version, std::string_view alternative) {
  const std::string text = joined(alternative);
  std::string_view rest = text;
  bool result = true;
  bool any = false;
  while (!rest.empty()) {
    const std::string_view comparison = cut(&rest, " ");
    if (comparison.empty()) continue;
    const auto found = holds(version, comparison);
    if (!found) return std::nullopt;
    any = true;
    result = result && *found;
  }
  if (!any) return std::nullopt;
  return result;
}

}  // namespace

Result<bool> is_within(const Version& version, std::string_view range) {
  std::string_view rest = range;
  bool result = false;
  do {
    const auto found = all_hold(version, cut(&rest, "||"));
    if (!found) {
      return Error::of("\"" + std::string(range) + "\" is no range of versions",
                       "Write it as \">=10.0.0 <12.0.0 || 14.x\".");
    }
    result = result || *found;
  } while (!rest.empty());
  return result;
}

}  // namespace monitoring::foreign
