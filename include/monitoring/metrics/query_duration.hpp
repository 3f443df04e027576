#pragma once
// How long statements took: counted in seconds, and shown in milliseconds, too.

#include <iterator>

#include "monitoring/metrics/metric.hpp"

namespace monitoring::metrics {

constexpr double kQuerySecondsBounds[] = {.0001, .00025, .0005, .001, .0025, .005, .01, .025,
                                          .05,   .1,     .25,   .5,   1,     2.5,  5,   10};
constexpr double kQueryMsBounds[] = {.1, .25, .5,  1,   2.5,  5,    10,   25,
                                     50, 100, 250, 500, 1000, 2500, 5000, 10000};
static_assert(std::size(kQuerySecondsBounds) == std::size(kQueryMsBounds));

constexpr MetricSpec kQuerySeconds = {"database_query_duration_seconds",
                                      MetricType::histogram,
                                      "Time that statements of clients took.",
                                      "seconds",
                                      kQuerySecondsBounds,
                                      std::size(kQuerySecondsBounds)};
/// The same buckets under another name.
constexpr MetricSpec kQueryMs = {"db_query_duration_ms",
                                 MetricType::histogram,
                                 "Time that statements of clients took, in milliseconds.",
                                 "",
                                 kQueryMsBounds,
                                 std::size(kQueryMsBounds)};

}  // namespace monitoring::metrics
