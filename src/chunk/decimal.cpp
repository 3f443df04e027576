#include "chunk/decimal.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "chunk/bits.hpp"

namespace monitoring::chunk {

namespace {

constexpr int kMostExponent = 15;
constexpr double kPowers[kMostExponent + 1] = {1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                               1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
constexpr std::int64_t kLargestMantissa = (std::int64_t{1} << 53) - 1;
constexpr int kOrders = 3;
constexpr std::size_t kExceptionBytes = 8;

std::size_t most_exceptions(std::size_t count) {
  return count / 8 + 2;
}

/// The mantissa that gives the value back to the bit, if there is one.
std::optional<std::int64_t> mantissa_of(double value, int exponent) {
  const double scaled = value * kPowers[exponent];
  if (!(std::fabs(scaled) <= static_cast<double>(kLargestMantissa))) return std::nullopt;
  const auto mantissa = static_cast<std::int64_t>(std::nearbyint(scaled));
  const double again = static_cast<double>(mantissa) / kPowers[exponent];
  return bits_of(again) == bits_of(value) ? std::optional(mantissa) : std::nullopt;
}

/// The smallest exponent from `from` on under which the value is a decimal.
std::optional<int> exponent_of(double value, int from) {
  for (int exponent = from; exponent <= kMostExponent; ++exponent) {
    if (mantissa_of(value, exponent)) return exponent;
  }
  return std::nullopt;
}

/// The exponent that most of the values have in common; nullopt where too many have none.
std::optional<int> common_exponent(const std::vector<double>& values) {
  int common = 0;
  std::size_t without = 0;
  for (const double value : values) {
    if (mantissa_of(value, common)) continue;
    if (const auto exponent = exponent_of(value, common + 1)) {
      common = *exponent;
    } else if (++without > most_exceptions(values.size())) {
      return std::nullopt;
    }
  }
  return common;
}

/// A few long numbers among short ones would make all mantissas long: better have them as
/// exceptions.
int shorter_exponent(const std::vector<double>& values, int common) {
  std::size_t longer = 0;
  for (int exponent = common; exponent > 0; --exponent) {
    longer = 0;
    for (const double value : values) longer += mantissa_of(value, exponent - 1) ? 0 : 1;
    if (longer > std::min(most_exceptions(values.size()), values.size() / 32)) return exponent;
  }
  return 0;
}

std::uint64_t minus(std::int64_t a, std::int64_t b) {
  return static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b);
}

std::uint64_t code_of(std::uint64_t difference) {
  return zigzag(static_cast<std::int64_t>(difference));
}

/// The number that stands for a mantissa at one of the orders.
std::uint64_t code_at(const std::vector<std::int64_t>& mantissas, std::size_t i, int order) {
  if (i == 0) return zigzag(mantissas[0]);
  if (order == 0) return code_of(minus(mantissas[i], mantissas[0]));
  const std::uint64_t distance = minus(mantissas[i], mantissas[i - 1]);
  if (order == 1 || i == 1) return code_of(distance);
  return code_of(distance - minus(mantissas[i - 1], mantissas[i - 2]));
}

/// How many bits an entropy coder, which zstd has, needs for these bytes.
double bits_for(const std::string& bytes) {
  std::array<std::uint32_t, 256> counts{};
  for (const char byte : bytes) ++counts[static_cast<std::uint8_t>(byte)];
  const auto total = static_cast<double>(bytes.size());
  double bits = 0;
  for (const std::uint32_t count : counts) {
    if (count > 0) bits += count * std::log2(total / count);
  }
  return bits;
}

std::string codes_of(const std::vector<std::int64_t>& mantissas, int order) {
  std::string codes;
  codes.reserve(mantissas.size() + 16);
  for (std::size_t i = 0; i < mantissas.size(); ++i) {
    append_varint(codes, code_at(mantissas, i, order));
  }
  return codes;
}

}  // namespace

Decimal decimal_of(double value) {
  for (int exponent = 0; exponent <= kMostExponent; ++exponent) {
    if (const auto mantissa = mantissa_of(value, exponent)) return {exponent, *mantissa};
  }
  return {};
}

bool decimal_value(int exponent, std::int64_t mantissa, double* value) {
  if (exponent < 0 || exponent > kMostExponent) return false;
  if (mantissa > kLargestMantissa || mantissa < -kLargestMantissa) return false;
  *value = static_cast<double>(mantissa) / kPowers[exponent];
  return true;
}

std::optional<Decimals> as_decimals(const std::vector<double>& values) {
  const std::optional<int> common = common_exponent(values);
  if (!common) return std::nullopt;
  Decimals decimals;
  decimals.exponent = shorter_exponent(values, *common);
  decimals.mantissas.reserve(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::optional<std::int64_t> mantissa = mantissa_of(values[i], decimals.exponent);
    if (!mantissa) decimals.exceptions.emplace_back(i, values[i]);
    decimals.mantissas.push_back(mantissa ? *mantissa : i == 0 ? 0 : decimals.mantissas.back());
  }
  if (decimals.exceptions.size() > most_exceptions(values.size())) return std::nullopt;
  return decimals;
}

void append_decimals(std::string& bytes, const Decimals& decimals) {
  std::string codes;
  int order = 0;
  double fewest = std::numeric_limits<double>::infinity();
  for (int candidate = 0; candidate < kOrders; ++candidate) {
    std::string tried = codes_of(decimals.mantissas, candidate);
    const double bits = bits_for(tried);
    if (bits >= fewest) continue;
    fewest = bits;
    order = candidate;
    codes = std::move(tried);
  }
  bytes.push_back(static_cast<char>(decimals.exponent));
  bytes.push_back(static_cast<char>(order));
  append_varint(bytes, decimals.exceptions.size());
  std::size_t after = 0;
  for (const auto& [position, value] : decimals.exceptions) {
    append_varint(bytes, position - after);
    append_eight(bytes, bits_of(value));
    after = position + 1;
  }
  bytes += codes;
}

Result<DecimalReader> DecimalReader::open(std::string_view bytes, std::size_t count) {
  if (bytes.size() < 2) return Error::at(bytes.size(), "decimal values end at their beginning");
  const auto exponent = static_cast<std::uint8_t>(bytes[0]);
  const auto order = static_cast<std::uint8_t>(bytes[1]);
  if (exponent > kMostExponent) return Error::at(0, "the exponent of decimal values is above 15");
  if (order >= kOrders) return Error::at(1, "the order of decimal values is above 2");
  DecimalReader reader(bytes);
  reader.reader_.skip(2);
  reader.divisor_ = kPowers[exponent];
  reader.order_ = order;
  if (!reader.read_exceptions(count)) {
    return Error::at(reader.reader_.position(), "the exceptions of decimal values make no sense");
  }
  return reader;
}

bool DecimalReader::read_exceptions(std::size_t count) {
  const std::uint64_t exceptions = reader_.next();
  if (exceptions > most_exceptions(count)) return false;
  std::size_t after = 0;
  for (std::uint64_t i = 0; i < exceptions; ++i) {
    const std::uint64_t distance = reader_.next();
    if (distance >= count - after) return false;
    const std::string_view eight = reader_.take(kExceptionBytes);
    if (eight.empty()) return false;
    exceptions_.emplace_back(after + distance, double_of(read_eight(eight.data())));
    after += distance + 1;
  }
  return true;
}

template <int order>
bool DecimalReader::fill_mantissas(double* values, std::size_t count) {
  std::uint64_t last = last_;
  std::uint64_t distance = distance_;
  // Looked at once, after the loop: no sum overflows, they wrap.
  bool good = true;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t code = reader_.next();
    good = good && code != VarintReader::kBad;
    const auto number = static_cast<std::uint64_t>(unzigzag(code));
    if (order == 0) {
      last = first_ + number;
    } else {
      distance = order == 1 ? number : distance + number;
      last += distance;
    }
    const auto mantissa = static_cast<std::int64_t>(last);
    good = good && mantissa <= kLargestMantissa && mantissa >= -kLargestMantissa;
    values[i] = static_cast<double>(mantissa);
  }
  last_ = last;
  distance_ = distance;
  return good;
}

bool DecimalReader::fill(double* values, std::size_t count) {
  const std::size_t from = position_;
  // The first number is a mantissa itself: what comes after counts from it.
  const std::size_t whole = from == 0 && count > 0 ? 1 : 0;
  if (whole == 1) {
    if (!fill_mantissas<1>(values, 1)) return false;
    first_ = last_;
    distance_ = 0;
  }
  const std::size_t rest = count - whole;
  const bool good = order_ == 0   ? fill_mantissas<0>(values + whole, rest)
                    : order_ == 1 ? fill_mantissas<1>(values + whole, rest)
                                  : fill_mantissas<2>(values + whole, rest);
  if (!good) return false;
  position_ += count;
  if (divisor_ != 1) {
    for (std::size_t i = 0; i < count; ++i) values[i] /= divisor_;
  }
  for (; next_exception_ < exceptions_.size() && exceptions_[next_exception_].first < position_;
       ++next_exception_) {
    values[exceptions_[next_exception_].first - from] = exceptions_[next_exception_].second;
  }
  return true;
}

}  // namespace monitoring::chunk
