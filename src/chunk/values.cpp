#include "chunk/values.hpp"

#include <algorithm>

#include "chunk/bits.hpp"

namespace monitoring::chunk {

namespace {

enum Codec : char { kEqual = 0, kDecimal = 1, kXor = 2 };

bool are_equal(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(),
                     [&](double value) { return bits_of(value) == bits_of(values[0]); });
}

void append_xor(std::string& bytes, const std::vector<double>& values) {
  BitWriter bits;
  XorWriter writer;
  for (const double value : values) writer.put(bits, value);
  bytes.push_back(kXor);
  bytes += bits.bytes();
}

}  // namespace

void append_values(std::string& bytes, const std::vector<double>& values, bool xor_only) {
  if (xor_only) return append_xor(bytes, values);
  if (are_equal(values)) {
    bytes.push_back(kEqual);
    return append_eight(bytes, bits_of(values[0]));
  }
  const std::optional<Decimals> decimals = as_decimals(values);
  if (!decimals) return append_xor(bytes, values);
  bytes.push_back(kDecimal);
  append_decimals(bytes, *decimals);
}

Result<ValuesReader> ValuesReader::open(std::string_view bytes, std::size_t count) {
  if (bytes.empty()) return Error::at(0, "the values of a run are missing");
  const std::string_view rest = bytes.substr(1);
  switch (bytes[0]) {
    case kEqual:
      if (rest.size() != 8) return Error::at(1, "equal values do not take eight bytes");
      return ValuesReader(Kind(Equal{double_of(read_eight(rest.data()))}), count);
    case kDecimal:
      return open_decimal(rest, count);
    case kXor:
      return ValuesReader(Kind(Xor{BitReader(rest), XorReader()}), count);
    default:
      return Error::at(0, "the values of a run are of an unknown kind");
  }
}

Result<ValuesReader> ValuesReader::open_decimal(std::string_view bytes, std::size_t count) {
  Result<DecimalReader> reader = DecimalReader::open(bytes, count);
  if (!reader) return Error::at(reader.error().position.value_or(0) + 1, reader.error().message);
  return ValuesReader(Kind(std::move(*reader)), count);
}

bool ValuesReader::fill(double* values, std::size_t count) {
  if (auto* decimal = std::get_if<DecimalReader>(&kind_)) {
    if (!decimal->fill(values, count)) return false;
  } else if (auto* bits = std::get_if<Xor>(&kind_)) {
    for (std::size_t i = 0; i < count; ++i) values[i] = bits->reader.take(bits->bits);
    if (!bits->reader.good() || !bits->bits.good()) return false;
  } else {
    std::fill_n(values, count, std::get_if<Equal>(&kind_)->value);
  }
  left_ -= count;
  return left_ > 0 || at_end();
}

bool ValuesReader::at_end() const {
  if (const auto* decimal = std::get_if<DecimalReader>(&kind_)) return decimal->at_end();
  if (const auto* bits = std::get_if<Xor>(&kind_)) return bits->bits.at_end();
  return true;
}

}  // namespace monitoring::chunk
