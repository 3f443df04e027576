#pragma once
// A double as its bits, and eight bytes as a number.

#include <cstdint>
#include <cstring>
#include <string>

namespace monitoring::chunk {

inline std::uint64_t bits_of(double value) {
  std::uint64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline double double_of(std::uint64_t bits) {
  double value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline void append_eight(std::string& bytes, std::uint64_t number) {
  for (int shift = 0; shift < 64; shift += 8) bytes.push_back(static_cast<char>(number >> shift));
}

inline std::uint64_t read_eight(const char* from) {
  std::uint64_t number = 0;
  for (int i = 7; i >= 0; --i) number = number << 8 | static_cast<std::uint8_t>(from[i]);
  return number;
}

}  // namespace monitoring::chunk
