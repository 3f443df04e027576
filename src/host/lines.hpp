#pragma once
// The texts of /proc, line by line and word by word; for this room only.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/host/proc.hpp"

namespace monitoring::host {

/// The next line, without its end; false after the last one.
bool next_line(std::string_view* rest, std::string_view* line);
std::vector<std::string_view> fields_of(std::string_view line, std::string_view separators = " \t");

/// All of the text, without white space around it; base 10 or 16.
std::optional<double> number(std::string_view text);
std::optional<double> hex_number(std::string_view text);

/// Nothing for a text that is no number.
void add(std::string name, Labels labels, std::string_view text, double factor, Samples* samples);
void add(std::string name, std::string_view text, Samples* samples);

bool starts_with(std::string_view text, std::string_view prefix);
bool ends_with(std::string_view text, std::string_view suffix);
bool is_digit(char c);

}  // namespace monitoring::host
