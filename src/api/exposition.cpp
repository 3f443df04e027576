// SQL entry points that read the registry: counted_metrics, for the view metrics, and
// prometheus_metrics.

#include "monitoring/pg/arguments.hpp"

extern "C" {
#include <catalog/pg_type.h>
#include <funcapi.h>
#include <utils/array.h>
#include <utils/builtins.h>
#include <utils/memutils.h>
}
// clang-format keeps the server's headers first.
#include <optional>
#include <set>

#include "monitoring/base/json.hpp"
#include "monitoring/pg/encoding.hpp"
#include "monitoring/pg/jsonb.hpp"
#include "monitoring/shmem/registry_exposition.hpp"

using namespace monitoring;

namespace {

pg::Param labels_jsonb(std::string_view bytes) {
  std::vector<std::pair<std::string_view, std::string_view>> pairs;
  metrics::LabelReader labels(bytes);
  std::string_view name;
  std::string_view value;
  while (labels.next(&name, &value)) pairs.emplace_back(name, value);
  return pg::jsonb_object(pairs);
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
  columns.put(labels_jsonb(sample.labels));
  if (sample.buckets == nullptr) {
    columns.put(pg::float8(sample.value));
    for (int i = 0; i < 3; ++i) columns.put_null();
  } else {
    columns.put_null();
    columns.put(pg::float8(sample.value));
    columns.put(pg::int8(count_of(metric, sample.buckets)));
    columns.put(pg::jsonb(buckets_json(metric, sample.buckets).dump()));
  }
  columns.put(pg::int8(static_cast<std::int64_t>(sample.origin)));
  columns.put(pg::boolean(metric.database == shmem::kWholeCluster));
  return columns;
}

using Names = std::set<std::string, std::less<>>;

/// The names in a text[] argument; nothing where it is NULL.
std::optional<Names> names_argument(FunctionCallInfo fcinfo, int index) {
  if (PG_ARGISNULL(index)) return std::nullopt;
  Datum* datums = nullptr;
  bool* nulls = nullptr;
  int count = 0;
  pg::call([&] {
    deconstruct_array(PG_GETARG_ARRAYTYPE_P(index), TEXTOID, -1, false, TYPALIGN_INT, &datums,
                      &nulls, &count);
  });
  Names names;
  for (int i = 0; i < count; ++i) {
    if (nulls[i]) continue;
    const char* name = pg::call([&] { return TextDatumGetCString(datums[i]); });
    names.insert(pg::utf8_of(name));
  }
  return names;
}

/// What one row takes is given back with it: there may be a hundred thousand.
class RowMemory {
 public:
  RowMemory()
      : context_(pg::call([] {
          return AllocSetContextCreate(CurrentMemoryContext, "monitoring: a row",
                                       ALLOCSET_SMALL_SIZES);
        })) {}

  template <class Body>
  void with(Body&& body) {
    MemoryContext outer = MemoryContextSwitchTo(context_);
    body();
    MemoryContextSwitchTo(outer);
    MemoryContextReset(context_);
  }

 private:
  MemoryContext context_;
};

}  // namespace

/// monitoring_internal.counted_metrics(only_metrics) -> setof record
MONITORING_FUNCTION(monitoring_counted_metrics) {
  pg::call([&] { InitMaterializedSRF(fcinfo, 0); });
  if (!shmem::registry_available()) PG_RETURN_NULL();
  auto* const result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  const std::optional<Names> wanted = names_argument(fcinfo, 0);
  const shmem::Snapshot snapshot(MyDatabaseId);
  RowMemory memory;
  for (const shmem::Snapshot::Sample& sample : snapshot.samples()) {
    const shmem::Snapshot::Metric& metric = snapshot.metrics()[sample.metric];
    if (wanted && wanted->count(metric.name) == 0) continue;
    memory.with([&] {
      Columns row = columns_of(metric, sample);
      pg::call(
          [&] { tuplestore_putvalues(result->setResult, result->setDesc, row.values, row.nulls); });
    });
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
