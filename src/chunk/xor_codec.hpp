#pragma once
// The values of Gorilla, as Prometheus's XOR chunks have them (FORMAT.md, "XOR").

#include "chunk/bit_stream.hpp"

namespace monitoring::chunk {

class XorWriter {
 public:
  void put(BitWriter& bits, double value);

 private:
  std::uint64_t last_ = 0;
  bool is_first_ = true;
  int leading_ = -1;  ///< of the last window; -1: there is none
  int trailing_ = 0;
};

class XorReader {
 public:
  /// The next value; whatever it is where the bits have ended or make no sense.
  double take(BitReader& bits);
  bool good() const { return good_; }

 private:
  std::uint64_t last_ = 0;
  bool is_first_ = true;
  bool good_ = true;
  int leading_ = -1;
  int trailing_ = 0;
};

}  // namespace monitoring::chunk
