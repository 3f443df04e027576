#pragma once
// Values to bucket keys and back, as src/metrics/FORMAT.md defines them.

#include <cstdint>

namespace monitoring::metrics {

inline constexpr std::int32_t kBucketsPerOctave = 35;
inline constexpr std::int32_t kOctaves = 2098;  // 2^-1074 up to 2^1024
inline constexpr std::int32_t kMaxKey = kBucketsPerOctave * kOctaves;

/// The key of a finite value.
std::int32_t sketch_key(double value);

/// The value that stands for the bucket of this key, in [-kMaxKey, kMaxKey].
double sketch_value(std::int32_t key);

}  // namespace monitoring::metrics
