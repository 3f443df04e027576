#pragma once
// What collectors gave, as metrics in shared memory: a collector's series are those of its last
// run.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "monitoring/collect/collectors.hpp"
#include "monitoring/metrics/metric.hpp"

namespace monitoring::collect {

struct MetricDescription {
  metrics::MetricType type = metrics::MetricType::gauge;
  std::string help;
};

/// How a collector's metrics are exposed.
struct Exposure {
  std::string collector_name;
  Oid database = InvalidOid;  ///< shmem::kWholeCluster for scope cluster
  MetricDescription by_default;
  std::map<std::string, MetricDescription, std::less<>> metrics;
};

/// Of the column "metrics": {"name": {"type": "counter", "help": "..."}}. Throws 22023.
std::map<std::string, MetricDescription, std::less<>> metric_descriptions_of(
    const std::string& json, const MetricDescription& by_default);

/// Sets the series that the samples name, and takes away those of this collector's last run in this
/// process that they do not. Returns why some are not exposed, if so. For the worker; elsewhere
/// nothing is taken away.
std::optional<std::string> expose(pg::Spi& spi, const Exposure& exposure,
                                  const std::vector<CollectedSample>& samples);

}  // namespace monitoring::collect
