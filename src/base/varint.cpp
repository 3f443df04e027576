#include "monitoring/base/varint.hpp"

namespace monitoring {

ReadVarint read_long_varint(const char* begin, const char* end) {
  std::uint64_t value = 0;
  const char* next = begin;
  for (int shift = 0; shift < 64; shift += 7) {
    if (next == end) return {VarintReader::kBad, next};
    const auto byte = static_cast<std::uint8_t>(*next++);
    if (shift == 63 && byte > 1) return {VarintReader::kBad, next};
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte >= 0x80) continue;
    if (byte == 0 && shift > 0) return {VarintReader::kBad, next};
    return {value, next};
  }
  return {VarintReader::kBad, next};
}

}  // namespace monitoring
