#pragma once

#include <limits>
#include <string_view>

#include "monitoring/host/proc.hpp"

namespace monitoring::host {

/// The value of a series, NaN where there is none.
inline double value_of(const Samples& samples, std::string_view name, const Labels& labels = {}) {
  for (const Sample& sample : samples) {
    if (sample.metric_name == name && sample.labels == labels) return sample.value;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

}  // namespace monitoring::host
