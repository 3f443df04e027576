#pragma once
// Sums and means as Prometheus computes them: with Neumaier's compensation.

#include <cmath>
#include <cstddef>

namespace monitoring::promql {

struct CompensatedSum {
  double sum = 0;
  double compensation = 0;

  void add(double value) {
    const double total = sum + value;
    if (std::isinf(total)) {
      compensation = 0;
    } else if (std::fabs(sum) >= std::fabs(value)) {
      compensation += (sum - total) + value;
    } else {
      compensation += (value - total) + sum;
    }
    sum = total;
  }
  double total() const { return std::isinf(sum) ? sum : sum + compensation; }
};

/// The mean of sum and count as long as the sum is finite, from then on by increments.
class Mean {
 public:
  void add(double value) {
    ++count_;
    const auto count = static_cast<double>(count_);
    if (count_ == 1) {
      state_.sum = value;
      return;
    }
    if (!is_incremental_) {
      CompensatedSum next = state_;
      next.add(value);
      if (!std::isinf(next.sum)) {
        state_ = next;
        return;
      }
      is_incremental_ = true;
      state_.sum /= count - 1;
      state_.compensation /= count - 1;
    }
    const double share = (count - 1) / count;
    state_.sum *= share;
    state_.compensation *= share;
    state_.add(value / count);
  }
  double value() const {
    if (is_incremental_) return state_.sum + state_.compensation;
    const auto count = static_cast<double>(count_);
    return state_.sum / count + state_.compensation / count;
  }
  std::size_t count() const { return count_; }

 private:
  CompensatedSum state_;
  std::size_t count_ = 0;
  bool is_incremental_ = false;
};

}  // namespace monitoring::promql
