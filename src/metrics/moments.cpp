#include "monitoring/metrics/moments.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace monitoring::metrics {
namespace {

void add_compensated(Moments& moments, double value) {
  const double sum = moments.sum + value;
  if (!std::isfinite(sum)) {
    // Once the range is left the direction is all that is known; inf - inf must not make it NaN.
    moments.sum = std::isinf(moments.sum) ? moments.sum : sum;
    moments.compensation = 0;
    return;
  }
  const bool sum_is_larger = std::fabs(moments.sum) >= std::fabs(value);
  moments.compensation += sum_is_larger ? (moments.sum - sum) + value : (value - sum) + moments.sum;
  moments.sum = sum;
}

/// weight * distance^2, infinite rather than NaN when the distance itself overflowed.
double spread(double distance, double weight) {
  const double square = distance * distance * weight;
  return std::isnan(square) ? std::numeric_limits<double>::infinity() : square;
}

}  // namespace

Moments Moments::of_state(std::int64_t count, double sum, double m2, double min, double max) {
  Moments moments;
  if (count <= 0) return moments;
  moments.count = static_cast<std::uint64_t>(count);
  moments.sum = sum;
  moments.mean = sum / static_cast<double>(count);
  moments.m2 = m2;
  moments.min = min;
  moments.max = max;
  return moments;
}

void Moments::add(double value) {
  if (!std::isfinite(value)) {
    ++nonfinite_count;
    return;
  }
  min = count == 0 ? value : std::min(min, value);
  max = count == 0 ? value : std::max(max, value);
  add_compensated(*this, value);

  ++count;
  const auto n = static_cast<double>(count);
  const double distance = value - mean;
  // value / n - mean / n cannot overflow where the distance does.
  mean += std::isfinite(distance) ? distance / n : value / n - mean / n;
  m2 += spread(distance, (n - 1) / n);
}

void Moments::add(const double* values, std::size_t values_count) {
  Moments batch;
  batch.count = values_count;
  batch.min = *std::min_element(values, values + values_count);
  batch.max = *std::max_element(values, values + values_count);
  for (std::size_t i = 0; i < values_count; ++i) add_compensated(batch, values[i]);
  batch.mean = batch.total() / static_cast<double>(values_count);
  for (std::size_t i = 0; i < values_count; ++i) {
    const double distance = values[i] - batch.mean;
    batch.m2 += distance * distance;
  }
  if (std::isfinite(batch.m2)) return merge(batch);
  // Near the end of the range of doubles only the careful way gives what there is to know.
  for (std::size_t i = 0; i < values_count; ++i) add(values[i]);
}

void Moments::merge(const Moments& other) {
  nonfinite_count += other.nonfinite_count;
  if (other.count == 0) return;
  if (count == 0) {
    const std::uint64_t nonfinite = nonfinite_count;
    *this = other;
    nonfinite_count = nonfinite;
    return;
  }
  min = std::min(min, other.min);
  max = std::max(max, other.max);
  add_compensated(*this, other.sum);
  add_compensated(*this, other.compensation);

  const auto left = static_cast<double>(count);
  const auto right = static_cast<double>(other.count);
  const double share = right / (left + right);
  const double distance = other.mean - mean;
  mean =
      std::isfinite(distance) ? mean + distance * share : mean * (1 - share) + other.mean * share;
  m2 += other.m2 + spread(distance, left * share);
  count += other.count;
}

double Moments::total() const {
  return sum + compensation;
}

std::optional<double> Moments::stddev() const {
  if (count < 2) return std::nullopt;
  return std::sqrt(m2 / static_cast<double>(count - 1));
}

}  // namespace monitoring::metrics
