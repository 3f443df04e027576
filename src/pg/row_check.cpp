#include "monitoring/pg/row_check.hpp"

extern "C" {
#include <access/htup_details.h>
#include <catalog/pg_constraint.h>
#include <catalog/pg_type.h>
#include <commands/comment.h>
#include <executor/executor.h>
#include <nodes/nodes.h>
#include <utils/array.h>
#include <utils/builtins.h>
#include <utils/lsyscache.h>
#include <utils/rel.h>
#include <utils/ruleutils.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <cmath>
#include <string>
#include <string_view>

#include "monitoring/pg/intervals.hpp"

namespace monitoring::pg {

namespace {

// 1900-01-01 and 9000-01-01. Nothing that is added to a time between them leaves the calendar.
constexpr TimestampTz kFirstTime = std::int64_t{-36524} * USECS_PER_DAY;
constexpr TimestampTz kLastTime = std::int64_t{2556698} * USECS_PER_DAY;

std::string name_of(Relation relation) {
  const char* schema = call([&] { return get_namespace_name(RelationGetNamespace(relation)); });
  return std::string(schema != nullptr ? schema : "?") + "." + RelationGetRelationName(relation);
}

std::string column_of(Relation relation, const FormData_pg_attribute& column) {
  return "column \"" + std::string(NameStr(column.attname)) + "\" of " + name_of(relation);
}

[[noreturn]] void refuse(Relation relation, const FormData_pg_attribute& column,
                         const std::string& what, const char* hint) {
  throw Report(ERRCODE_INVALID_PARAMETER_VALUE, column_of(relation, column) + " " + what)
      .hint(hint);
}

/// Months and days as the server counts them in a comparison: 30 days, 24 hours.
bool is_usable_interval(const Interval& interval) {
  const __int128 us = static_cast<__int128>(interval.time) +
                      (static_cast<__int128>(interval.day) +
                       static_cast<__int128>(interval.month) * DAYS_PER_MONTH) *
                          USECS_PER_DAY;
  // Parts of different signs are one length in a comparison and another on a calendar: a year less
  // 360 days is nothing here, and five days there.
  const bool has_one_sign = interval.month >= 0 && interval.day >= 0 && interval.time >= 0;
  return has_one_sign && us <= kLongestInterval.count();
}

void check_array(Relation relation, const FormData_pg_attribute& column, Datum value) {
  const ArrayType* array = call([&] { return DatumGetArrayTypeP(value); });
  const bool is_list = ARR_NDIM(array) == 0 || (ARR_NDIM(array) == 1 && ARR_LBOUND(array)[0] == 1);
  if (!is_list) {
    refuse(relation, column, "is no plain list",
           "Give an array of one dimension that begins at 1: ARRAY['a', 'b'].");
  }
  if (call([&] { return array_contains_nulls(const_cast<ArrayType*>(array)); })) {
    refuse(relation, column, "has an element that is NULL",
           "Leave the element out; text || NULL is NULL, concat() is not.");
  }
}

/// Only a silence may begin or end at no time.
void check_time(Relation relation, const FormData_pg_attribute& column, TimestampTz time) {
  const std::string_view name = NameStr(column.attname);
  if (TIMESTAMP_NOT_FINITE(time) && (name == "starts_at" || name == "ends_at")) return;
  if (time >= kFirstTime && time <= kLastTime) return;
  refuse(relation, column, "must be between the years 1900 and 9000", "");
}

void check_value(Relation relation, const FormData_pg_attribute& column, Datum value) {
  switch (column.atttypid) {
    case INTERVALOID:
      if (is_usable_interval(*DatumGetIntervalP(value))) return;
      refuse(relation, column, "must be between 0 and 100 years",
             "None of its years, days and seconds may be negative, either.");
    case FLOAT8OID:
      if (!std::isnan(DatumGetFloat8(value))) return;
      refuse(relation, column, "is not a number", "Nothing is above or below NaN.");
    case TIMESTAMPTZOID:
      return check_time(relation, column, DatumGetTimestampTz(value));
    default:
      if (call([&] { return get_element_type(column.atttypid); }) == InvalidOid) return;
      check_array(relation, column, value);
  }
}

void check_columns(Relation relation, HeapTuple row, RowRules rules) {
  const TupleDesc columns = RelationGetDescr(relation);
  for (int number = 1; number <= columns->natts; ++number) {
    const FormData_pg_attribute& column = *TupleDescAttr(columns, number - 1);
    if (column.attisdropped || column.attgenerated != '\0') continue;
    bool is_null = false;
    const Datum value = call([&] { return heap_getattr(row, number, columns, &is_null); });
    if (!is_null) {
      if (rules == RowRules::usable_values) check_value(relation, column, value);
    } else if (column.attnotnull) {
      throw Report(ERRCODE_NOT_NULL_VIOLATION, column_of(relation, column) + " must not be NULL");
    }
  }
}

/// The name of the first CHECK constraint that the row violates, or null.
const char* violated_constraint(Relation relation, HeapTuple row) {
  const TupleConstr* constraints = RelationGetDescr(relation)->constr;
  if (constraints == nullptr || constraints->num_check == 0) return nullptr;
  return call([&]() -> const char* {
    EState* state = CreateExecutorState();
    ExprContext* context = GetPerTupleExprContext(state);
    TupleTableSlot* slot = MakeSingleTupleTableSlot(RelationGetDescr(relation), &TTSOpsHeapTuple);
    ExecStoreHeapTuple(row, slot, false);
    context->ecxt_scantuple = slot;
    const char* violated = nullptr;
    for (int i = 0; i < constraints->num_check && violated == nullptr; ++i) {
      const ConstrCheck& check = constraints->check[i];
      auto* expression = static_cast<Expr*>(stringToNode(check.ccbin));
      if (!ExecCheck(ExecPrepareExpr(expression, state), context)) violated = check.ccname;
    }
    ExecDropSingleTupleTableSlot(slot);
    FreeExecutorState(state);
    return violated;
  });
}

void check_constraints(Relation relation, HeapTuple row) {
  const char* violated = violated_constraint(relation, row);
  if (violated == nullptr) return;
  const Oid id = call(
      [&] { return get_relation_constraint_oid(RelationGetRelid(relation), violated, false); });
  const char* comment = call([&] { return GetComment(id, ConstraintRelationId, 0); });
  const char* definition = call([&] {
    const Datum text = DirectFunctionCall1(pg_get_constraintdef, ObjectIdGetDatum(id));
    return text_to_cstring(reinterpret_cast<const varlena*>(DatumGetPointer(text)));
  });
  const std::string broken = "new row for relation \"" +
                             std::string(RelationGetRelationName(relation)) +
                             "\" violates check constraint \"" + violated + "\"";
  throw Report(ERRCODE_CHECK_VIOLATION, comment != nullptr ? comment : broken)
      .detail("It has to satisfy " + std::string(definition) + ".");
}

}  // namespace

void check_row(Relation relation, HeapTuple row, RowRules rules) {
  check_columns(relation, row, rules);
  check_constraints(relation, row);
}

}  // namespace monitoring::pg
