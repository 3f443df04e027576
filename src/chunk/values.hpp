#pragma once
// Values of a run: all equal, decimal, or by XOR (FORMAT.md, "Values").

#include <string>
#include <variant>
#include <vector>

#include "chunk/decimal.hpp"
#include "chunk/xor_codec.hpp"

namespace monitoring::chunk {

void append_values(std::string& bytes, const std::vector<double>& values, bool xor_only);

/// Reads what append_values wrote, some values at a time.
class ValuesReader {
 public:
  static Result<ValuesReader> open(std::string_view bytes, std::size_t count);
  /// The next values; false if they make no sense, or if something follows the last one. The caller
  /// asks for no more than there are.
  bool fill(double* values, std::size_t count);

 private:
  struct Equal {
    double value;
  };
  struct Xor {
    BitReader bits;
    XorReader reader;
  };
  using Kind = std::variant<Equal, DecimalReader, Xor>;
  ValuesReader(Kind kind, std::size_t count) : kind_(std::move(kind)), left_(count) {}

  static Result<ValuesReader> open_decimal(std::string_view bytes, std::size_t count);
  bool at_end() const;

  Kind kind_;
  std::size_t left_;
};

}  // namespace monitoring::chunk
