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
/// All views that are given must last until text(); keep() makes one that does. A point that is
/// there already is left out. Where families want the same name, no series is lost:
/// - beside the extension's own, the others are shown as exported_<name>;
/// - otherwise all keep their names, and lose their types: a gauge beside a counter, or a gauge
///   x_count beside a histogram x, whose three names then are families of their own.
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

  /// Whether what is added next is the extension's own.
  void set_own(bool is_own) { is_own_ = is_own; }

  std::string_view keep(std::string text);

  std::string text(ExpositionFormat format) const;

  /// A family that does not get what it asks for, because others want its name.
  struct Disagreement {
    std::string name;
    MetricType type;
    std::string shown_as;  ///< another name than its own beside one of the extension's
  };
  std::vector<Disagreement> disagreements() const;

 private:
  struct Point {
    MetricSpec metric;
    std::string_view labels;
    std::string_view datname;
    double value;
    const std::uint64_t* buckets;
    bool is_own;
  };
  friend class ExpositionText;

  std::vector<Point> points_;
  bool is_own_ = false;
  std::deque<std::string> kept_;
};

}  // namespace monitoring::metrics
