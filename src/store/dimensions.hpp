#pragma once
// From the tags of a measurement to the dimensions that identify its series, and the measures that
// are summed.

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <utils/jsonb.h>
}
// clang-format keeps the server's headers first.
#include <cstdint>
#include <string>
#include <vector>

#include "monitoring/base/hash128.hpp"

namespace monitoring::store {

// The functions that take server types may raise server errors: call them under pg::call.

/// 128 bits over a canonical form: equal for jsonb values that are equal, whatever the scale of
/// their numbers. Stored in tables. NULL (nullptr) differs from every value.
Hash128 dimensions_hash(const Jsonb* dimensions);

/// A number in tags, as far as it can be summed: integers exactly, everything else as a double.
struct Measure {
  bool is_integer = true;
  std::int64_t integer = 0;
  double real = 0;
};

/// A number, or a string that casts to integer. False for everything else.
bool read_measure(const JsonbValue& value, Measure* measure);

/// The sum of the measures of one name.
class MeasureSum {
 public:
  void add(const Measure& measure);
  /// As JSON. Numbers that overflow bigint go on as doubles.
  std::string text() const;

 private:
  std::int64_t integers_ = 0;
  double reals_ = 0;
  bool has_reals_ = false;
};

}  // namespace monitoring::store
