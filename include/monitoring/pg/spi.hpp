#pragma once
// SQL from C++: one connection to SPI, parameters and rows with C++ types.

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <utils/snapshot.h>
}
// clang-format keeps the server's header first.
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/base/clock.hpp"

struct SPITupleTable;
struct TupleDescData;

namespace monitoring::pg {

/// One parameter of a statement. Made by the functions below; allocated in the current context.
struct Param {
  Oid type;
  Datum value;
  bool is_null;
};

Param text(std::string_view value);
Param text(const std::optional<std::string>& value);
inline Param text(const std::string& value) {
  return text(std::string_view(value));
}
inline Param text(const char* value) {
  return text(std::string_view(value));
}
Param jsonb(std::string_view json);
Param jsonb(const std::optional<std::string>& json);
inline Param jsonb(const std::string& json) {
  return jsonb(std::string_view(json));
}
inline Param jsonb(const char* json) {
  return jsonb(std::string_view(json));
}
Param int8(std::int64_t value);
Param int4(std::int32_t value);
Param float8(double value);
Param float8(std::optional<double> value);
Param boolean(bool value);
Param timestamptz(Instant value);
Param timestamptz(std::optional<Instant> value);
Param interval(Duration value);
Param text_array(const std::vector<std::string>& values);
Param int8_array(const std::vector<std::int64_t>& values);
Param int4_array(const std::vector<std::int32_t>& values);
Param float8_array(const std::vector<double>& values);
Param timestamptz_array(const std::vector<Instant>& values);
Param null_of(Oid type);
/// A Datum that the caller already holds.
inline Param datum(Oid type, Datum value, bool is_null = false) {
  return {type, value, is_null};
}

/// Postgres counts microseconds from 2000-01-01, C++ from 1970-01-01. Infinities are kept as the
/// largest and the smallest Instant.
Instant instant_of(std::int64_t timestamptz);
std::int64_t timestamptz_of(Instant instant);

/// The rows of a statement. They live as long as the Spi, and so does their memory: a loop over
/// many queries makes an Spi for each. A row or column that is not there is XX000; a column of
/// another type is 42804.
class Rows {
 public:
  Rows() = default;
  Rows(SPITupleTable* table, std::uint64_t count) : table_(table), count_(count) {}

  std::uint64_t size() const { return count_; }
  bool empty() const { return count_ == 0; }

  // Rows count from 0, columns from 1. The value of a NULL is nullopt.
  Datum raw(std::uint64_t row, int column, bool* is_null) const;
  bool is_null(std::uint64_t row, int column) const;
  std::optional<std::string> text(std::uint64_t row, int column) const;
  /// Of any integer type, and of an oid, regclass, xid, cid or xid8.
  std::optional<std::int64_t> int8(std::uint64_t row, int column) const;
  std::optional<double> float8(std::uint64_t row, int column) const;
  std::optional<bool> boolean(std::uint64_t row, int column) const;
  std::optional<Instant> timestamptz(std::uint64_t row, int column) const;

  int columns() const;
  std::string column_name(int column) const;
  Oid column_type(int column) const;

 private:
  void check(std::uint64_t row, int column) const;
  [[noreturn]] void refuse(int column, const char* wanted) const;

  SPITupleTable* table_ = nullptr;
  std::uint64_t count_ = 0;
};

/// A connection to SPI for as long as the object lives. When an error leaves the scope, the abort
/// of the (sub)transaction cleans up, as for every SPI user.
class Spi {
 public:
  Spi();
  ~Spi();
  Spi(const Spi&) = delete;
  Spi& operator=(const Spi&) = delete;

  /// Runs one statement and returns its rows (also those of RETURNING).
  Rows query(const char* sql, std::initializer_list<Param> params = {}, long limit = 0);
  /// Runs a query on the active snapshot as it is, without seeing later commands' effects.
  Rows read(const char* sql, std::initializer_list<Param> params = {});
  /// Runs one statement and returns how many rows it touched.
  std::uint64_t execute(const char* sql, std::initializer_list<Param> params = {});
  /// The same, on the rows that this snapshot shows.
  std::uint64_t execute_as_of(Snapshot snapshot, const char* sql,
                              std::initializer_list<Param> params = {});
  /// Any SQL, several statements allowed, no parameters.
  void run_script(const char* sql);

 private:
  std::uint64_t run(const char* sql, std::initializer_list<Param> params, bool read_only,
                    long limit);
  /// Those of a statement whose rows nobody was given.
  void free_unseen_rows();

  MemoryContext outer_;
  int exceptions_before_;
};

}  // namespace monitoring::pg
