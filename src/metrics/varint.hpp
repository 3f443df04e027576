#pragma once
// Varints as src/metrics/FORMAT.md defines them: canonical, at most ten bytes.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace monitoring::metrics {

inline void append_varint(std::string& bytes, std::uint64_t value) {
  while (value >= 0x80) {
    bytes.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  bytes.push_back(static_cast<char>(value));
}

/// Small magnitudes of either sign to small numbers: 0, -1, 1, -2, ... to 0, 1, 2, 3, ...
inline std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}

inline std::int64_t unzigzag(std::uint64_t code) {
  return static_cast<std::int64_t>(code >> 1) ^ -static_cast<std::int64_t>(code & 1);
}

/// Reads varints from bytes that it does not own.
class VarintReader {
 public:
  VarintReader(std::string_view bytes, std::size_t position) : bytes_(bytes), position_(position) {}

  /// nullopt: the bytes end inside, the number does not fit 64 bits or is longer than needed.
  std::optional<std::uint64_t> next() {
    // Nearly all have one byte.
    if (!at_end() && static_cast<std::uint8_t>(bytes_[position_]) < 0x80) {
      return static_cast<std::uint8_t>(bytes_[position_++]);
    }
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_end()) return std::nullopt;
      const auto byte = static_cast<std::uint8_t>(bytes_[position_]);
      ++position_;
      if (shift == 63 && byte > 1) return std::nullopt;
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      if (byte == 0 && shift > 0) return std::nullopt;
      return value;
    }
    return std::nullopt;
  }

  bool at_end() const { return position_ == bytes_.size(); }
  std::size_t position() const { return position_; }

 private:
  std::string_view bytes_;
  std::size_t position_;
};

}  // namespace monitoring::metrics
