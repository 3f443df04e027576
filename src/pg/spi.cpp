#include "monitoring/pg/spi.hpp"

extern "C" {
#include <catalog/pg_type.h>
#include <datatype/timestamp.h>
#include <executor/spi.h>
#include <utils/array.h>
#include <utils/builtins.h>
#include <utils/jsonb.h>
#include <utils/lsyscache.h>
#include <utils/snapmgr.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <limits>

#include "monitoring/base/instant_math.hpp"
#include "monitoring/pg/encoding.hpp"

namespace monitoring::pg {

namespace {

constexpr std::int64_t kEpochDifferenceUs =
    static_cast<std::int64_t>(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;

[[noreturn]] void fail(int code) {
  throw Report(ERRCODE_INTERNAL_ERROR, std::string("SPI: ") + SPI_result_code_string(code));
}

/// An array of values that are passed by value, in a type of so many bytes.
template <class Value, class ToDatum>
Param array_by_value(Oid type, Oid array_type, int bytes, char alignment,
                     const std::vector<Value>& values, ToDatum to_datum) {
  const Datum datum = call([&] {
    auto* elements = static_cast<Datum*>(palloc(sizeof(Datum) * (values.size() + 1)));
    std::transform(values.begin(), values.end(), elements, to_datum);
    return PointerGetDatum(
        construct_array(elements, static_cast<int>(values.size()), type, bytes, true, alignment));
  });
  return {array_type, datum, false};
}

/// The statement's text form of a value, whatever its type.
char* output(Datum value, Oid type) {
  Oid function = InvalidOid;
  bool varlena = false;
  getTypeOutputInfo(type, &function, &varlena);
  return OidOutputFunctionCall(function, value);
}

}  // namespace

Instant instant_of(std::int64_t timestamptz) {
  if (TIMESTAMP_IS_NOBEGIN(timestamptz)) return Instant::min();
  if (TIMESTAMP_IS_NOEND(timestamptz)) return Instant::max();
  // The server's last years are beyond what is counted from 1970.
  return later(Instant(Duration(timestamptz)), Duration(kEpochDifferenceUs));
}

std::int64_t timestamptz_of(Instant instant) {
  if (instant == Instant::min()) return DT_NOBEGIN;
  if (instant == Instant::max()) return DT_NOEND;
  const std::int64_t us = earlier(instant, Duration(kEpochDifferenceUs)).time_since_epoch().count();
  return std::clamp<std::int64_t>(us, MIN_TIMESTAMP, END_TIMESTAMP - 1);
}

Param null_of(Oid type) {
  return {type, 0, true};
}

Param text(std::string_view value) {
  const std::string text = server_text(value);
  const char* bytes = text.data();
  const auto length = static_cast<int>(text.size());
  const Datum datum =
      call([&] { return PointerGetDatum(cstring_to_text_with_len(bytes, length)); });
  return {TEXTOID, datum, false};
}

Param text(const std::optional<std::string>& value) {
  return value ? text(std::string_view(*value)) : null_of(TEXTOID);
}

Param jsonb(std::string_view json) {
  const std::string text = server_json(json);
  const char* bytes = text.c_str();
  const Datum datum =
      call([&] { return DirectFunctionCall1(jsonb_in, CStringGetDatum(pstrdup(bytes))); });
  return {JSONBOID, datum, false};
}

Param jsonb(const std::optional<std::string>& json) {
  return json ? jsonb(std::string_view(*json)) : null_of(JSONBOID);
}

Param int8(std::int64_t value) {
  return {INT8OID, Int64GetDatum(value), false};
}
Param int4(std::int32_t value) {
  return {INT4OID, Int32GetDatum(value), false};
}
Param float8(double value) {
  return {FLOAT8OID, Float8GetDatum(value), false};
}
Param float8(std::optional<double> value) {
  return value ? float8(*value) : null_of(FLOAT8OID);
}
Param boolean(bool value) {
  return {BOOLOID, BoolGetDatum(value), false};
}

Param timestamptz(Instant value) {
  return {TIMESTAMPTZOID, TimestampTzGetDatum(timestamptz_of(value)), false};
}

Param timestamptz(std::optional<Instant> value) {
  return value ? timestamptz(*value) : null_of(TIMESTAMPTZOID);
}

Param interval(Duration value) {
  const Datum datum = call([&] {
    auto* interval = static_cast<Interval*>(palloc0(sizeof(Interval)));
    interval->time = value.count();
    return IntervalPGetDatum(interval);
  });
  return {INTERVALOID, datum, false};
}

Param text_array(const std::vector<std::string>& utf8) {
  std::vector<std::string> values;
  for (const std::string& value : utf8) values.push_back(server_text(value));
  const Datum datum = call([&] {
    auto* elements = static_cast<Datum*>(palloc(sizeof(Datum) * (values.size() + 1)));
    for (std::size_t i = 0; i < values.size(); ++i) {
      elements[i] = PointerGetDatum(
          cstring_to_text_with_len(values[i].data(), static_cast<int>(values[i].size())));
    }
    return PointerGetDatum(construct_array(elements, static_cast<int>(values.size()), TEXTOID, -1,
                                           false, TYPALIGN_INT));
  });
  return {TEXTARRAYOID, datum, false};
}

Param int8_array(const std::vector<std::int64_t>& values) {
  return array_by_value(INT8OID, INT8ARRAYOID, sizeof(std::int64_t), TYPALIGN_DOUBLE, values,
                        [](std::int64_t value) { return Int64GetDatum(value); });
}

Param int4_array(const std::vector<std::int32_t>& values) {
  return array_by_value(INT4OID, INT4ARRAYOID, sizeof(std::int32_t), TYPALIGN_INT, values,
                        [](std::int32_t value) { return Int32GetDatum(value); });
}

Param float8_array(const std::vector<double>& values) {
  return array_by_value(FLOAT8OID, FLOAT8ARRAYOID, sizeof(double), TYPALIGN_DOUBLE, values,
                        [](double value) { return Float8GetDatum(value); });
}

Param timestamptz_array(const std::vector<Instant>& values) {
  return array_by_value(TIMESTAMPTZOID, TIMESTAMPTZARRAYOID, sizeof(TimestampTz), TYPALIGN_DOUBLE,
                        values,
                        [](Instant value) { return TimestampTzGetDatum(timestamptz_of(value)); });
}

void Rows::check(std::uint64_t row, int column) const {
  if (row < count_ && column >= 1 && column <= columns()) return;
  throw Report(ERRCODE_INTERNAL_ERROR, "there is no row " + std::to_string(row) + ", column " +
                                           std::to_string(column) + " in " +
                                           std::to_string(count_) + " rows of " +
                                           std::to_string(columns()) + " columns");
}

void Rows::refuse(int column, const char* wanted) const {
  throw Report(ERRCODE_DATATYPE_MISMATCH, "column \"" + column_name(column) + "\" is no " + wanted);
}

Datum Rows::raw(std::uint64_t row, int column, bool* is_null) const {
  check(row, column);
  return call([&] { return SPI_getbinval(table_->vals[row], table_->tupdesc, column, is_null); });
}

bool Rows::is_null(std::uint64_t row, int column) const {
  bool null = false;
  raw(row, column, &null);
  return null;
}

std::optional<std::string> Rows::text(std::uint64_t row, int column) const {
  bool null = false;
  const Datum value = raw(row, column, &null);
  if (null) return std::nullopt;
  char* text = call([&] { return output(value, column_type(column)); });
  std::string copy = utf8_of(text);
  pfree(text);
  return copy;
}

std::optional<std::int64_t> Rows::int8(std::uint64_t row, int column) const {
  bool null = false;
  const Datum value = raw(row, column, &null);
  switch (column_type(column)) {
    case INT2OID:
      return null ? std::nullopt : std::optional<std::int64_t>(DatumGetInt16(value));
    case INT4OID:
      return null ? std::nullopt : std::optional<std::int64_t>(DatumGetInt32(value));
    case INT8OID:
    case XID8OID:
      return null ? std::nullopt : std::optional<std::int64_t>(DatumGetInt64(value));
    case OIDOID:
    case REGCLASSOID:
    case XIDOID:
    case CIDOID:
      return null ? std::nullopt : std::optional<std::int64_t>(DatumGetUInt32(value));
    default:
      refuse(column, "integer");
  }
}

std::optional<double> Rows::float8(std::uint64_t row, int column) const {
  bool null = false;
  const Datum value = raw(row, column, &null);
  if (column_type(column) != FLOAT8OID) refuse(column, "double precision");
  if (null) return std::nullopt;
  return DatumGetFloat8(value);
}

std::optional<bool> Rows::boolean(std::uint64_t row, int column) const {
  bool null = false;
  const Datum value = raw(row, column, &null);
  if (column_type(column) != BOOLOID) refuse(column, "boolean");
  if (null) return std::nullopt;
  return DatumGetBool(value);
}

std::optional<Instant> Rows::timestamptz(std::uint64_t row, int column) const {
  bool null = false;
  const Datum value = raw(row, column, &null);
  if (column_type(column) != TIMESTAMPTZOID) refuse(column, "timestamp with time zone");
  if (null) return std::nullopt;
  return instant_of(DatumGetTimestampTz(value));
}

int Rows::columns() const {
  return table_ != nullptr ? table_->tupdesc->natts : 0;
}

std::string Rows::column_name(int column) const {
  return utf8_of(NameStr(TupleDescAttr(table_->tupdesc, column - 1)->attname));
}

Oid Rows::column_type(int column) const {
  return TupleDescAttr(table_->tupdesc, column - 1)->atttypid;
}

Spi::Spi() : outer_(CurrentMemoryContext), exceptions_before_(std::uncaught_exceptions()) {
  const int code = call([] { return SPI_connect(); });
  if (code != SPI_OK_CONNECT) fail(code);
}

Spi::~Spi() {
  if (std::uncaught_exceptions() > exceptions_before_) {
    // The statement that failed may have left resources behind that still point into SPI's
    // contexts: the abort frees both, in the right order. Only the current context, which will be
    // gone then, must not be the connection's any more.
    MemoryContextSwitchTo(outer_);
    return;
  }
  // Frees contexts and nothing else: it has no way to raise an error while connected.
  SPI_finish();
}

namespace {

/// Parameters in the three arrays that SPI takes.
class ParamArrays {
 public:
  explicit ParamArrays(std::initializer_list<Param> params) {
    if (params.size() > kMax) fail(SPI_ERROR_PARAM);
    for (const Param& param : params) {
      types[count] = param.type;
      values[count] = param.value;
      nulls[count] = param.is_null ? 'n' : ' ';
      ++count;
    }
  }

  static constexpr std::size_t kMax = 32;
  int count = 0;
  Oid types[kMax];
  Datum values[kMax];
  char nulls[kMax];
};

}  // namespace

std::uint64_t Spi::run(const char* sql, std::initializer_list<Param> params, bool read_only,
                       long limit) {
  ParamArrays in(params);
  // It may hold names, and be a user's.
  const std::string text = server_text(sql);
  const char* statement = text.c_str();
  const int code = call([&] {
    return SPI_execute_with_args(statement, in.count, in.types, in.values, in.nulls, read_only,
                                 limit);
  });
  if (code < 0) fail(code);
  return SPI_processed;
}

std::uint64_t Spi::execute_as_of(Snapshot snapshot, const char* sql,
                                 std::initializer_list<Param> params) {
  ParamArrays in(params);
  const int code = call([&] {
    SPIPlanPtr plan = SPI_prepare(sql, in.count, in.types);
    if (plan == nullptr) return SPI_result;
    return SPI_execute_snapshot(plan, in.values, in.nulls, snapshot, InvalidSnapshot, false, true,
                                0);
  });
  if (code < 0) fail(code);
  return SPI_processed;
}

Rows Spi::query(const char* sql, std::initializer_list<Param> params, long limit) {
  const std::uint64_t count = run(sql, params, false, limit);
  return {SPI_tuptable, SPI_tuptable != nullptr ? count : 0};
}

Rows Spi::read(const char* sql, std::initializer_list<Param> params) {
  const std::uint64_t count = run(sql, params, true, 0);
  return {SPI_tuptable, count};
}

std::uint64_t Spi::execute(const char* sql, std::initializer_list<Param> params) {
  const std::uint64_t count = run(sql, params, false, 0);
  free_unseen_rows();
  return count;
}

void Spi::run_script(const char* sql) {
  const std::string text = server_text(sql);
  const char* script = text.c_str();
  const int code = call([&] { return SPI_execute(script, false, 0); });
  if (code < 0) fail(code);
  free_unseen_rows();
}

void Spi::free_unseen_rows() {
  if (SPI_tuptable != nullptr) call([] { SPI_freetuptable(SPI_tuptable); });
}

}  // namespace monitoring::pg
