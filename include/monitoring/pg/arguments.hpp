#pragma once
// Arguments of a SQL function as C++ values. Names are those of the SQL signature: they are what
// the user reads in the error. A NULL where a value is needed is 22004.

#include "monitoring/pg/guard.hpp"
// clang-format keeps the server's header first.
#include <optional>
#include <string>

#include "monitoring/base/clock.hpp"
#include "monitoring/pg/spi.hpp"

namespace monitoring::pg {

/// Throws 22004 if the argument is NULL.
void require(FunctionCallInfo fcinfo, int index, const char* name);

std::optional<std::string> optional_text(FunctionCallInfo fcinfo, int index);
/// Throws 22004 if NULL and 22023 if empty.
std::string required_text(FunctionCallInfo fcinfo, int index, const char* name);

/// An interval that must be longer than zero (22023) and not NULL (22004). A month counts 30 days,
/// a day 24 hours.
Duration required_positive_interval(FunctionCallInfo fcinfo, int index, const char* name);

/// The argument, unchanged, as a parameter of a statement.
Param argument(FunctionCallInfo fcinfo, int index, Oid type);

}  // namespace monitoring::pg
