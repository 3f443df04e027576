#pragma once
// Varints as src/metrics/FORMAT.md and src/chunk/FORMAT.md define them: canonical, at most ten
// bytes.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>

namespace monitoring {

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

/// A varint, and where the next one begins.
struct ReadVarint {
  std::uint64_t value;
  const char* next;
};

ReadVarint read_long_varint(const char* begin, const char* end);

/// Reads varints from bytes that it does not own.
class VarintReader {
 public:
  /// In place of a number: the bytes end inside, or it does not fit 64 bits, or it is longer than
  /// needed. Above whatever a field may have.
  static constexpr std::uint64_t kBad = std::numeric_limits<std::uint64_t>::max();

  explicit VarintReader(std::string_view bytes)
      : begin_(bytes.data()), next_(begin_), end_(begin_ + bytes.size()) {}

  std::uint64_t next() {
    // Nearly all have one byte.
    if (next_ != end_ && static_cast<std::uint8_t>(*next_) < 0x80) {
      return static_cast<std::uint8_t>(*next_++);
    }
    const ReadVarint read = read_long_varint(next_, end_);
    next_ = read.next;
    return read.value;
  }

  /// Whether eight numbers of one byte come next, none of them 0.
  bool has_eight_short() const {
    constexpr std::uint64_t kOnes = 0x0101010101010101;
    if (end_ - next_ < 8) return false;
    std::uint64_t eight;
    std::memcpy(&eight, next_, sizeof eight);
    // A byte of 0 borrows, which sets its upper bit.
    return ((eight | (eight - kOnes)) & (kOnes << 7)) == 0;
  }
  const std::uint8_t* take_eight() {
    next_ += 8;
    return reinterpret_cast<const std::uint8_t*>(next_ - 8);
  }

  /// Bytes that are no varints; empty where there are not as many.
  std::string_view take(std::size_t count) {
    if (static_cast<std::size_t>(end_ - next_) < count) return {};
    next_ += count;
    return {next_ - count, count};
  }
  void skip(std::size_t count) { next_ += count; }

  bool at_end() const { return next_ == end_; }
  std::size_t position() const { return static_cast<std::size_t>(next_ - begin_); }

 private:
  const char* begin_;
  const char* next_;
  const char* end_;
};

}  // namespace monitoring
