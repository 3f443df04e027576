#pragma once
// Whether the server will take a row, asked before it is asked, so that the answer can be our own:
// the server's own names a constraint and shows the whole row, secrets and all.

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <access/htup.h>
#include <utils/relcache.h>
}
// clang-format keeps the server's headers first.
#include <string>

namespace monitoring::pg {

/// Of a table of configuration all values must be usable; what is told of the past may be anything
/// that the table's constraints allow.
enum class RowRules { usable_values, constraints };

/// Throws what is wrong with the row, and what is allowed, without its values:
/// 23502 for a NULL where none may be; 23514 for a CHECK constraint, in the words of its COMMENT;
/// 22023 for what no table of configuration can use, whatever its constraints say: an interval
/// below zero or beyond a hundred years, a NaN, an array that is no plain list or holds a NULL.
void check_row(Relation relation, HeapTuple row, RowRules rules);

}  // namespace monitoring::pg
