#pragma once
// The text in which Prometheus reads metrics: its own format 0.0.4, and OpenMetrics 1.0.

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/metrics/metric.hpp"

namespace monitoring::metrics {

enum class ExpositionFormat { prometheus, openmetrics };

/// For the Content-Type header: Prometheus 3 refuses a scrape without it.
std::string_view content_type(ExpositionFormat format);

/// Collects points and writes them: families sorted by name, each with HELP and TYPE, none twice.
///
/// In OpenMetrics a counter whose name does not end in _total is of type unknown: under another
/// name nobody would find it.
///
/// All views that are given must last until text(); keep() makes one that does. Where points of one
/// name disagree on its type, the first has it and the others are left out; so is a family whose
/// names another one uses, such as a gauge x_count beside a histogram x, and a point that is there
/// already.
class Exposition {
 public:
  /// A point of a counter or gauge. labels: label_bytes(), LabelBuffer. A datname that is not empty
  /// becomes a label; a label of that name is then shown as exported_datname if it says something
  /// else. Points of one name have it, or have it not.
  void add(const MetricSpec& metric, std::string_view labels, double value,
           std::string_view datname = {});
  /// A point of a histogram: bound_count + 1 counts, not cumulated.
  void add_histogram(const MetricSpec& metric, std::string_view labels, double sum,
                     const std::uint64_t* buckets, std::string_view datname = {});

  std::string_view keep(std::string text);

  std::string text(ExpositionFormat format) const;

 private:
  struct Point {
    MetricSpec metric;
    std::string_view labels;
    std::string_view datname;
    double value;
    const std::uint64_t* buckets;
  };
  friend class ExpositionText;

  std::vector<Point> points_;
  std::deque<std::string> kept_;
};

}  // namespace monitoring::metrics
