#pragma once
// Arguments of a SQL function as C++ values. Names are those of the SQL signature: they are what
// the user reads in the error. A NULL where a value is needed is 22004.

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <utils/jsonb.h>
}
// clang-format keeps the server's header first.
#include <optional>
#include <string>
#include <vector>

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

/// Throws 22023 unless the root of a jsonb is an object: its functions read keys of an array as if
/// they were keys of an object. `example` is shown in the hint.
void require_object(const Jsonb* json, const char* name, const char* example);
/// A jsonb argument that is an object and not NULL, as text.
std::string required_object_text(FunctionCallInfo fcinfo, int index, const char* name,
                                 const char* example);

/// A float8[] of one dimension, whatever it counts from, without NULLs (22004); 2202E otherwise.
std::vector<double> float8_list(FunctionCallInfo fcinfo, int index, const char* name);

/// A time that is not NULL (22004) and not infinite (22008).
Instant required_time(FunctionCallInfo fcinfo, int index, const char* name);

/// The argument, unchanged, as a parameter of a statement.
Param argument(FunctionCallInfo fcinfo, int index, Oid type);

}  // namespace monitoring::pg
