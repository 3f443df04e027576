// quantile_over_time and mad_over_time, which need the values of a window in order.

#include <algorithm>
#include <cmath>
#include <limits>

#include "promql/range_functions.hpp"
#include "promql/windows.hpp"

namespace monitoring::promql {

namespace {

/// The values of a window in order, kept up while it moves.
class SortedWindow {
 public:
  explicit SortedWindow(const RangeSeries& series) : series_(series) {}

  const std::vector<double>& of(const Window& window) {
    if (window.first >= end_) {
      first_ = end_ = window.first;
      sorted_.clear();
    }
    for (; first_ < window.first; ++first_) remove(series_.values[first_]);
    const bool is_new = sorted_.empty();
    for (; end_ < window.end(); ++end_) {
      if (is_new) {
        sorted_.push_back(series_.values[end_]);
      } else {
        insert(series_.values[end_]);
      }
    }
    if (is_new) std::sort(sorted_.begin(), sorted_.end(), is_below);
    return sorted_;
  }

 private:
  void insert(double value) {
    sorted_.insert(std::upper_bound(sorted_.begin(), sorted_.end(), value, is_below), value);
  }
  void remove(double value) {
    sorted_.erase(std::lower_bound(sorted_.begin(), sorted_.end(), value, is_below));
  }

  const RangeSeries& series_;
  std::size_t first_ = 0;
  std::size_t end_ = 0;
  std::vector<double> sorted_;
};

double median_deviation(std::vector<double> sorted) {
  const double median = quantile_of_sorted(0.5, sorted.data(), sorted.size());
  for (double& value : sorted) value = std::fabs(value - median);
  std::sort(sorted.begin(), sorted.end(), is_below);
  return quantile_of_sorted(0.5, sorted.data(), sorted.size());
}

}  // namespace

bool is_below(double a, double b) {
  if (std::isnan(a)) return !std::isnan(b);
  return a < b;
}

double quantile_of_sorted(double quantile, const double* sorted, std::size_t size) {
  if (size == 0 || std::isnan(quantile)) return std::numeric_limits<double>::quiet_NaN();
  if (quantile < 0) return -std::numeric_limits<double>::infinity();
  if (quantile > 1) return std::numeric_limits<double>::infinity();
  const double rank = quantile * static_cast<double>(size - 1);
  const auto lower = static_cast<std::size_t>(std::floor(rank));
  const std::size_t upper = std::min(size - 1, lower + 1);
  const double weight = rank - std::floor(rank);
  return sorted[lower] * (1 - weight) + sorted[upper] * weight;
}

bool compute_ranked_over_time(FunctionId id, const RangeCall& call, std::vector<double>& values) {
  if (id != FunctionId::kQuantileOverTime && id != FunctionId::kMadOverTime) return false;
  SortedWindow sorted(call.series);
  each_window(call, values, [&](const Window& window, std::size_t step) {
    const std::vector<double>& in_order = sorted.of(window);
    if (id == FunctionId::kMadOverTime) return median_deviation(in_order);
    return quantile_of_sorted(call.scalars[0][step], in_order.data(), in_order.size());
  });
  return true;
}

}  // namespace monitoring::promql
