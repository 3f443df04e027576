#include "metrics/sketch_mapping.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace monitoring::metrics {
namespace {

constexpr int kMantissaBits = 52;
constexpr std::uint64_t kMantissaMask = (std::uint64_t{1} << kMantissaBits) - 1;
constexpr std::int32_t kSmallestExponent = -1074;

/// gamma = 2^(1/35) by Newton's method, so that the table below needs no library and is the same
/// on every platform.
constexpr double growth() {
  double root = 1.02;
  for (int round = 0; round < 20; ++round) {
    double power = 1;
    for (int i = 1; i < kBucketsPerOctave; ++i) power *= root;
    root -= (power * root - 2) / (kBucketsPerOctave * power);
  }
  return root;
}

constexpr double kGrowth = growth();
constexpr double kMiddle = 2 * kGrowth / (1 + kGrowth);

/// Lower boundaries of the buckets of [1, 2), as mantissas; the last one is never reached.
using Boundaries = std::array<std::uint64_t, kBucketsPerOctave + 1>;

constexpr Boundaries boundaries() {
  Boundaries bounds{};
  double lower = 1;
  for (std::size_t i = 0; i < kBucketsPerOctave; ++i) {
    bounds[i] = static_cast<std::uint64_t>((lower - 1) * (std::uint64_t{1} << kMantissaBits));
    lower *= kGrowth;
  }
  bounds[kBucketsPerOctave] = std::uint64_t{1} << kMantissaBits;
  return bounds;
}

constexpr Boundaries kBoundaries = boundaries();

/// The first seven bits of the mantissa tell the bucket up to one: a cell of 1/128 is narrower
/// than any bucket, so at most one boundary lies inside it.
constexpr int kCellBits = 7;
using Cells = std::array<std::uint8_t, std::size_t{1} << kCellBits>;

constexpr Cells cells() {
  Cells starts{};
  std::uint8_t bucket = 0;
  for (std::size_t cell = 0; cell < starts.size(); ++cell) {
    const std::uint64_t first = std::uint64_t{cell} << (kMantissaBits - kCellBits);
    while (kBoundaries[bucket + 1u] <= first) ++bucket;
    starts[cell] = bucket;
  }
  return starts;
}

constexpr Cells kCells = cells();

}  // namespace

std::int32_t sketch_key(double value) {
  std::uint64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const std::uint64_t magnitude = bits & ~(std::uint64_t{1} << 63);
  if (magnitude == 0) return 0;

  std::uint64_t mantissa = magnitude & kMantissaMask;
  auto octave = static_cast<std::int32_t>(magnitude >> kMantissaBits);
  if (octave == 0) {
    // Subnormal: the leading bit is not implied but somewhere in the mantissa.
    octave = 63 - __builtin_clzll(mantissa);
    mantissa = (mantissa << (kMantissaBits - octave)) & kMantissaMask;
  } else {
    octave += kMantissaBits - 1;  // 2^-1022 is octave 52
  }

  std::int32_t bucket = kCells[mantissa >> (kMantissaBits - kCellBits)];
  bucket += mantissa >= kBoundaries[static_cast<std::size_t>(bucket) + 1] ? 1 : 0;
  const std::int32_t key = 1 + octave * kBucketsPerOctave + bucket;
  return value < 0 ? -key : key;
}

double sketch_value(std::int32_t key) {
  if (key == 0) return 0;
  const std::int32_t index = std::abs(key) - 1;
  const auto bucket = static_cast<std::size_t>(index % kBucketsPerOctave);
  const std::int32_t exponent = index / kBucketsPerOctave + kSmallestExponent;
  const double lower =
      1 + static_cast<double>(kBoundaries[bucket]) / (std::uint64_t{1} << kMantissaBits);
  const double value = std::ldexp(lower * kMiddle, exponent);
  return key < 0 ? -value : value;
}

}  // namespace monitoring::metrics
