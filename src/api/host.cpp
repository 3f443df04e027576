// SQL entry point of the host's figures.

#include "monitoring/collect/host.hpp"

#include "monitoring/pg/arguments.hpp"

extern "C" {
#include <funcapi.h>
#include <utils/timestamp.h>
}

#include "api/sample_rows.hpp"

using namespace monitoring;

/// monitoring_internal.host_metrics(metric_type, topic) -> setof (metric_name, value, labels)
MONITORING_FUNCTION(monitoring_host_metrics) {
  const bool counters = pg::required_text(fcinfo, 0, "metric_type") == "counter";
  const bool of_network = pg::required_text(fcinfo, 1, "topic") == "network";
  const TimestampTz now = GetCurrentTimestamp();
  pg::call([&] { InitMaterializedSRF(fcinfo, 0); });
  const host::Samples samples =
      of_network ? collect::network_samples() : collect::host_samples(pg::instant_of(now));
  for (const host::Sample& sample : samples) {
    if (host::is_counter(sample.metric_name) != counters) continue;
    api::put_sample(fcinfo, sample.metric_name, sample.value, sample.labels);
  }
  PG_RETURN_NULL();
}
