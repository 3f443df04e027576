#pragma once
// Numbers, durations, quoted strings and places in a query, as Prometheus writes them.

#include <cstdint>
#include <string>
#include <string_view>

#include "monitoring/base/labels.hpp"
#include "monitoring/base/result.hpp"
#include "monitoring/promql/ast.hpp"

namespace monitoring::promql {

/// The shortest digits that read back as this number, never with an exponent: "0.1", "+Inf", "NaN".
/// What count_values makes a label of, and what the printer writes.
std::string number_text(double value);

/// The same, with an exponent below 1e-6 and from 1e21 on: a value in the HTTP API's answers.
std::string sample_text(double value);

/// As Go's %g: with an exponent below 1e-4 and from 1e21 on; in messages.
std::string short_number_text(double value);

/// A number as PromQL writes them: decimal, hexadecimal, octal, digits divided by underscores.
Result<double> parse_number(std::string_view text);

/// "1h30m" in ms. No sign; units from years to milliseconds, each once, in falling order.
Result<std::int64_t> parse_duration(std::string_view text);
/// The other way round; "0s" for none. Not for negative ones.
std::string duration_text(std::int64_t ms);

/// As Go's strconv.Quote.
std::string quoted(std::string_view text);

/// `name{label="value", ...}`, `{}` for none.
std::string labels_text(const Labels& labels);
/// A matcher as it stands in braces.
std::string matcher_text(const Matcher& matcher);

/// "line:column" of a byte, both from one; the column counts bytes, as Prometheus does.
std::string place_text(std::string_view query, std::size_t position);

/// The line of the query that holds the byte, and a caret below it. Long lines are cut around it.
std::string caret_text(std::string_view query, std::size_t position);

bool is_valid_utf8(std::string_view text);

/// What Prometheus answers for a query that does not parse: "1:3: parse error: ...".
std::string parse_error_text(std::string_view query, const Error& error);

}  // namespace monitoring::promql
