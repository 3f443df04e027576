#include "monitoring/pg/arguments.hpp"

#include "monitoring/pg/encoding.hpp"
#include "monitoring/pg/intervals.hpp"

extern "C" {
#include <utils/array.h>
#include <utils/builtins.h>
#include <utils/fmgrprotos.h>
#include <utils/timestamp.h>
}

namespace monitoring::pg {

void require(FunctionCallInfo fcinfo, int index, const char* name) {
  if (!PG_ARGISNULL(index)) return;
  throw Report(ERRCODE_NULL_VALUE_NOT_ALLOWED, std::string(name) + " must not be null");
}

std::optional<std::string> optional_text(FunctionCallInfo fcinfo, int index) {
  if (PG_ARGISNULL(index)) return std::nullopt;
  const char* value =
      call([&] { return text_to_cstring(PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(index))); });
  return utf8_of(value);
}

std::string required_text(FunctionCallInfo fcinfo, int index, const char* name) {
  require(fcinfo, index, name);
  std::string value = *optional_text(fcinfo, index);
  if (value.empty()) {
    throw Report(ERRCODE_INVALID_PARAMETER_VALUE, std::string(name) + " must not be empty");
  }
  return value;
}

Duration required_positive_interval(FunctionCallInfo fcinfo, int index, const char* name) {
  require(fcinfo, index, name);
  const Interval* value = PG_GETARG_INTERVAL_P(index);
  const std::int64_t days = static_cast<std::int64_t>(value->month) * DAYS_PER_MONTH + value->day;
  std::int64_t length = 0;
  if (__builtin_mul_overflow(days, USECS_PER_DAY, &length) ||
      __builtin_add_overflow(length, value->time, &length) || length > kLongestInterval.count()) {
    throw Report(ERRCODE_INTERVAL_FIELD_OVERFLOW, std::string(name) + " is out of range")
        .hint("An interval here is at most 100 years.");
  }
  if (length <= 0) {
    throw Report(ERRCODE_INVALID_PARAMETER_VALUE, std::string(name) + " must be longer than zero")
        .hint("Write it as, for example, interval '5 minutes'.");
  }
  return Duration(length);
}

void require_object(const Jsonb* json, const char* name, const char* example) {
  if (JB_ROOT_IS_OBJECT(json)) return;
  throw Report(ERRCODE_INVALID_PARAMETER_VALUE, std::string(name) + " must be a JSON object")
      .hint("Write, for example, '" + std::string(example) + "'.");
}

std::string required_object_text(FunctionCallInfo fcinfo, int index, const char* name,
                                 const char* example) {
  require(fcinfo, index, name);
  Jsonb* value = call([&] { return PG_GETARG_JSONB_P(index); });
  require_object(value, name, example);
  return call([&] {
    return static_cast<const char*>(
        JsonbToCString(nullptr, &value->root, static_cast<int>(VARSIZE(value))));
  });
}

std::vector<double> float8_list(FunctionCallInfo fcinfo, int index, const char* name) {
  require(fcinfo, index, name);
  ArrayType* array = call([&] { return PG_GETARG_ARRAYTYPE_P(index); });
  if (ARR_NDIM(array) > 1) {
    throw Report(ERRCODE_ARRAY_SUBSCRIPT_ERROR, std::string(name) + " must have one dimension");
  }
  if (call([&] { return array_contains_nulls(array); })) {
    throw Report(ERRCODE_NULL_VALUE_NOT_ALLOWED, std::string(name) + " must not contain null");
  }
  const int count = call([&] { return ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)); });
  const auto* first = reinterpret_cast<const double*>(ARR_DATA_PTR(array));
  return {first, first + count};
}

Instant required_time(FunctionCallInfo fcinfo, int index, const char* name) {
  require(fcinfo, index, name);
  const TimestampTz value = PG_GETARG_TIMESTAMPTZ(index);
  if (!TIMESTAMP_NOT_FINITE(value)) return instant_of(value);
  throw Report(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, std::string(name) + " must be finite");
}

Param argument(FunctionCallInfo fcinfo, int index, Oid type) {
  return datum(type, PG_GETARG_DATUM(index), PG_ARGISNULL(index));
}

}  // namespace monitoring::pg
