#include "host/lines.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <utility>

namespace monitoring::host {

namespace {

constexpr std::string_view kSpace = " \t\n";

std::string trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(kSpace) - begin + 1));
}

}  // namespace

bool next_line(std::string_view* rest, std::string_view* line) {
  if (rest->empty()) return false;
  const std::size_t end = rest->find('\n');
  *line = rest->substr(0, end);
  *rest = end == std::string_view::npos ? std::string_view() : rest->substr(end + 1);
  return true;
}

std::vector<std::string_view> fields_of(std::string_view line, std::string_view separators) {
  std::vector<std::string_view> fields;
  while (true) {
    const std::size_t begin = line.find_first_not_of(separators);
    if (begin == std::string_view::npos) return fields;
    line.remove_prefix(begin);
    const std::size_t length = std::min(line.find_first_of(separators), line.size());
    fields.push_back(line.substr(0, length));
    line.remove_prefix(length);
  }
}

std::optional<double> number(std::string_view text) {
  const std::string copy = trimmed(text);
  char* end = nullptr;
  const double value = std::strtod(copy.c_str(), &end);
  if (copy.empty() || *end != '\0') return std::nullopt;
  return value;
}

std::optional<double> hex_number(std::string_view text) {
  const std::string copy = trimmed(text);
  char* end = nullptr;
  const auto value = static_cast<double>(std::strtoull(copy.c_str(), &end, 16));
  if (copy.empty() || *end != '\0') return std::nullopt;
  return value;
}

void add(std::string name, Labels labels, std::string_view text, double factor, Samples* samples) {
  if (const auto value = number(text)) {
    samples->push_back({std::move(name), std::move(labels), *value * factor});
  }
}

void add(std::string name, std::string_view text, Samples* samples) {
  add(std::move(name), {}, text, 1, samples);
}

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

bool ends_with(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

bool is_digit(char c) {
  return std::isdigit(static_cast<unsigned char>(c)) != 0;
}

}  // namespace monitoring::host
