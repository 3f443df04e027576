#pragma once
// What a metric is: its type, its name and labels by Prometheus's rules, its buckets.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/base/labels.hpp"
#include "monitoring/base/result.hpp"

namespace monitoring::metrics {

enum class MetricType : std::uint8_t { counter, gauge, histogram };

std::string_view type_name(MetricType type);
std::optional<MetricType> parse_type(std::string_view name);

/// A metric as its user describes it. The views and bounds are the caller's.
struct MetricSpec {
  std::string_view name;
  MetricType type = MetricType::counter;
  std::string_view help = {};
  std::string_view unit = {};
  /// Upper bounds of a histogram's buckets, ascending, without +Inf, which is always there.
  /// nullptr: those that the metric has, or kDefaultBounds.
  const double* bounds = nullptr;
  std::uint32_t bound_count = 0;
};

/// Of the Prometheus client libraries: for seconds, from 5 ms to 10 s.
constexpr double kDefaultBounds[] = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};
constexpr std::size_t kMostBounds = 200;
constexpr std::size_t kLongestName = 200;
constexpr std::size_t kLongestLabels = 4000;

/// [a-zA-Z_:][a-zA-Z0-9_:]*, at most kLongestName bytes.
std::optional<Error> check_metric_name(std::string_view name);
/// [a-zA-Z_][a-zA-Z0-9_]*, not starting with "__", and not "le".
std::optional<Error> check_label_name(std::string_view name);
/// Finite and ascending, at most kMostBounds. A last +Inf is dropped.
Result<std::vector<double>> checked_bounds(std::vector<double> bounds);

/// start, start + width, ... and start, start * factor, ..., as in Prometheus's client libraries,
/// rounded to 15 digits: 0.3, where the processor's sum is 0.30000000000000004.
Result<std::vector<double>> linear_bounds(double start, double width, int count);
Result<std::vector<double>> exponential_bounds(double start, double factor, int count);

/// The bucket of a value: index of the first bound that is not below it; bound_count is +Inf.
std::size_t bucket_of(const double* bounds, std::size_t bound_count, double value);

/// Labels as bytes, one form for equal sets: "name\0value\0" for each, sorted by name, those with
/// an empty value left out.
std::string label_bytes(const Labels& labels);

/// The same for code that may not allocate: a hook that makes labels of what it sees. Labels are
/// added in the order of their names. A value that does not fit is cut at a character.
class LabelBuffer {
 public:
  LabelBuffer& add(std::string_view name, std::string_view value);
  std::string_view bytes() const { return {bytes_, used_}; }

 private:
  std::size_t used_ = 0;
  char bytes_[512];
};

/// Steps through label bytes.
class LabelReader {
 public:
  explicit LabelReader(std::string_view bytes) : rest_(bytes) {}
  bool next(std::string_view* name, std::string_view* value);

 private:
  std::string_view rest_;
};

}  // namespace monitoring::metrics
