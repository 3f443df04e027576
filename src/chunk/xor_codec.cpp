#include "chunk/xor_codec.hpp"

#include <algorithm>

#include "chunk/bits.hpp"

namespace monitoring::chunk {

namespace {
constexpr int kMostLeading = 31;  ///< five bits hold no more
}

void XorWriter::put(BitWriter& bits, double value) {
  const std::uint64_t now = bits_of(value);
  const std::uint64_t changed = now ^ last_;
  last_ = now;
  if (is_first_) {
    is_first_ = false;
    bits.put(now, 64);
    return;
  }
  if (changed == 0) {
    bits.put(0, 1);
    return;
  }
  const int leading = std::min(__builtin_clzll(changed), kMostLeading);
  const int trailing = __builtin_ctzll(changed);
  if (leading_ >= 0 && leading >= leading_ && trailing >= trailing_) {
    bits.put(0b10, 2);
    bits.put(changed >> trailing_, 64 - leading_ - trailing_);
    return;
  }
  leading_ = leading;
  trailing_ = trailing;
  const int meaningful = 64 - leading - trailing;
  bits.put(0b11, 2);
  bits.put(static_cast<std::uint64_t>(leading), 5);
  bits.put(static_cast<std::uint64_t>(meaningful & 63), 6);
  bits.put(changed >> trailing, meaningful);
}

double XorReader::take(BitReader& bits) {
  if (is_first_) {
    is_first_ = false;
    last_ = bits.take(64);
    return double_of(last_);
  }
  if (bits.take(1) == 0) return double_of(last_);
  if (bits.take(1) == 1) {
    leading_ = static_cast<int>(bits.take(5));
    const int meaningful = static_cast<int>(bits.take(6));
    trailing_ = 64 - leading_ - (meaningful == 0 ? 64 : meaningful);
  }
  // No window yet, or one that is wider than a number.
  if (leading_ < 0 || trailing_ < 0) {
    good_ = false;
    return 0;
  }
  last_ ^= bits.take(64 - leading_ - trailing_) << trailing_;
  return double_of(last_);
}

}  // namespace monitoring::chunk
