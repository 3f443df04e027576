#pragma once
// Bits, most significant first.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace monitoring::chunk {

class BitWriter {
 public:
  /// The lowest `count` bits of a number, 0 to 64.
  void put(std::uint64_t bits, int count) {
    for (int left = count; left > 0;) {
      if (free_ == 0) {
        bytes_.push_back('\0');
        free_ = 8;
      }
      const int taken = left < free_ ? left : free_;
      const auto part = static_cast<unsigned>((bits >> (left - taken)) & ((1U << taken) - 1));
      bytes_.back() =
          static_cast<char>(static_cast<unsigned char>(bytes_.back()) | part << (free_ - taken));
      free_ -= taken;
      left -= taken;
    }
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
  int free_ = 0;
};

/// Reads bits of bytes that it does not own. Beyond the end it reads zeros and is no longer good().
class BitReader {
 public:
  explicit BitReader(std::string_view bytes) : bytes_(bytes) {}

  /// count: 0 to 64.
  std::uint64_t take(int count) {
    if (count > 32) {
      const std::uint64_t high = take(count - 32);
      return high << 32 | take(32);
    }
    while (held_ < count) refill();
    held_ -= count;
    return (buffer_ >> held_) & ((std::uint64_t{1} << count) - 1);
  }
  bool good() const { return good_; }
  /// Whether nothing but the zero bits that fill the last byte is left.
  bool at_end() const {
    return good_ && next_ == bytes_.size() && held_ < 8 &&
           (buffer_ & ((std::uint64_t{1} << held_) - 1)) == 0;
  }

 private:
  void refill() {
    std::uint8_t byte = 0;
    if (next_ < bytes_.size()) {
      byte = static_cast<std::uint8_t>(bytes_[next_++]);
    } else {
      good_ = false;
    }
    buffer_ = buffer_ << 8 | byte;
    held_ += 8;
  }

  std::string_view bytes_;
  std::size_t next_ = 0;
  std::uint64_t buffer_ = 0;
  int held_ = 0;
  bool good_ = true;
};

}  // namespace monitoring::chunk
