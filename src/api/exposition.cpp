// SQL entry points that read the registry: counted_metrics, for the view metrics, and
// prometheus_metrics.

#include "monitoring/pg/arguments.hpp"

extern "C" {
#include <funcapi.h>
#include <mb/pg_wchar.h>
#include <utils/builtins.h>
}
// clang-format keeps the server's headers first.

#include "monitoring/base/json.hpp"
#include "monitoring/shmem/registry_exposition.hpp"

using namespace monitoring;

namespace {

pg::Param jsonb_of(const Json& json) {
  return pg::jsonb(json.dump());
}

Json labels_json(std::string_view bytes) {
  Json json = Json::object();
  metrics::LabelReader labels(bytes);
  std::string_view name;
  std::string_view value;
  while (labels.next(&name, &value)) json[std::string(name)] = value;
  return json;
}

/// Cumulated, as Prometheus shows them.
Json buckets_json(const shmem::Snapshot::Metric& metric, const std::uint64_t* buckets) {
  Json json = Json::array();
  std::uint64_t count = 0;
  for (std::uint32_t i = 0; i <= metric.bound_count; ++i) {
    count += buckets[i];
    const std::string le = i < metric.bound_count ? Json(metric.bounds[i]).dump() : "+Inf";
    json.push_back({{"le", le}, {"count", count}});
  }
  return json;
}

std::int64_t count_of(const shmem::Snapshot::Metric& metric, const std::uint64_t* buckets) {
  std::uint64_t count = 0;
  for (std::uint32_t i = 0; i <= metric.bound_count; ++i) count += buckets[i];
  return static_cast<std::int64_t>(count);
}

struct Columns {
  static constexpr int kCount = 9;
  Datum values[kCount] = {};
  bool nulls[kCount] = {};
  int next = 0;

  void put(const pg::Param& value) {
    values[next] = value.value;
    nulls[next++] = value.is_null;
  }
  void put_null() { nulls[next++] = true; }
};

/// In the order of counted_metrics(): name, type, labels, value, sum, count, buckets, origin,
/// whether it is the whole cluster's.
Columns columns_of(const shmem::Snapshot::Metric& metric, const shmem::Snapshot::Sample& sample) {
  Columns columns;
  columns.put(pg::text(metric.name));
  columns.put(pg::text(metrics::type_name(metric.type)));
  columns.put(jsonb_of(labels_json(sample.labels)));
  if (sample.buckets == nullptr) {
    columns.put(pg::float8(sample.value));
    for (int i = 0; i < 3; ++i) columns.put_null();
  } else {
    columns.put_null();
    columns.put(pg::float8(sample.value));
    columns.put(pg::int8(count_of(metric, sample.buckets)));
    columns.put(jsonb_of(buckets_json(metric, sample.buckets)));
  }
  columns.put(pg::int8(static_cast<std::int64_t>(sample.origin)));
  columns.put(pg::boolean(metric.database == shmem::kWholeCluster));
  return columns;
}

}  // namespace

/// monitoring_internal.counted_metrics() -> setof record
MONITORING_FUNCTION(monitoring_counted_metrics) {
  pg::call([&] { InitMaterializedSRF(fcinfo, 0); });
  if (!shmem::registry_available()) PG_RETURN_NULL();
  auto* const result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  const shmem::Snapshot snapshot(MyDatabaseId);
  for (const shmem::Snapshot::Sample& sample : snapshot.samples()) {
    Columns row = columns_of(snapshot.metrics()[sample.metric], sample);
    pg::call(
        [&] { tuplestore_putvalues(result->setResult, result->setDesc, row.values, row.nulls); });
  }
  PG_RETURN_NULL();
}

/// monitoring.prometheus_metrics(openmetrics) -> text
MONITORING_FUNCTION(monitoring_prometheus_metrics) {
  pg::require(fcinfo, 0, "openmetrics");
  const auto format = PG_GETARG_BOOL(0) ? metrics::ExpositionFormat::openmetrics
                                        : metrics::ExpositionFormat::prometheus;
  metrics::Exposition exposition;
  if (!shmem::registry_available()) return pg::text(exposition.text(format)).value;
  const shmem::Snapshot snapshot(MyDatabaseId);
  // Of one database: no label tells it from others.
  shmem::expose_registry(exposition, snapshot, nullptr);
  shmem::expose_self(exposition, {{MyDatabaseId, ""}});
  return pg::text(exposition.text(format)).value;
}
