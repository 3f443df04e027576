#pragma once
// Values as decimal mantissas with a common exponent (FORMAT.md, "Decimal").

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "monitoring/base/result.hpp"
#include "monitoring/base/varint.hpp"

namespace monitoring::chunk {

/// One value as mantissa / 10^exponent with the smallest exponent that gives it back to the bit; an
/// exponent of -1 where there is none.
struct Decimal {
  int exponent = -1;
  std::int64_t mantissa = 0;
};
Decimal decimal_of(double value);
/// False where exponent or mantissa is out of range.
bool decimal_value(int exponent, std::int64_t mantissa, double* value);

/// Values as mantissas; those that are none are exceptions, by position.
struct Decimals {
  int exponent = 0;
  std::vector<std::int64_t> mantissas;
  std::vector<std::pair<std::size_t, double>> exceptions;
};

/// nullopt: too many are no short decimals.
std::optional<Decimals> as_decimals(const std::vector<double>& values);

void append_decimals(std::string& bytes, const Decimals& decimals);

/// Reads what append_decimals wrote, some values at a time.
class DecimalReader {
 public:
  /// `bytes`: the body from the exponent on.
  static Result<DecimalReader> open(std::string_view bytes, std::size_t count);
  /// The next values; false if they make no sense. The caller asks for no more than there are.
  bool fill(double* values, std::size_t count);
  bool at_end() const { return reader_.at_end(); }

 private:
  explicit DecimalReader(std::string_view bytes) : reader_(bytes) {}
  bool read_exceptions(std::size_t count);
  template <int order>
  bool fill_mantissas(double* values, std::size_t count);

  VarintReader reader_;
  double divisor_ = 1;
  int order_ = 0;
  std::size_t position_ = 0;
  std::uint64_t first_ = 0;
  std::uint64_t last_ = 0;
  std::uint64_t distance_ = 0;
  std::vector<std::pair<std::size_t, double>> exceptions_;
  std::size_t next_exception_ = 0;
};

}  // namespace monitoring::chunk
