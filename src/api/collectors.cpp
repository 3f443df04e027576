// SQL entry points of the collectors.

#include "monitoring/collect/collectors.hpp"

#include "monitoring/pg/arguments.hpp"

extern "C" {
#include <catalog/pg_type.h>
#include <funcapi.h>
}

#include "api/named_rows.hpp"
#include "api/sample_rows.hpp"
#include "monitoring/collect/careful_passes.hpp"
#include "monitoring/collect/import.hpp"
#include "monitoring/pg/system_clock.hpp"

using namespace monitoring;

namespace {

void warn(const std::string& message, const char* hint) {
  pg::call([&] { ereport(WARNING, (errmsg("%s", message.c_str()), errhint("%s", hint))); });
}

/// A table that a collector reads may be made later, so that one that does not work yet is kept.
void try_out(pg::Spi& spi, const std::string& name) {
  try {
    collect::preview_collector(spi, name, pg::SystemClock().now());
  } catch (const pg::Report& report) {
    warn("collector \"" + name + "\" does not work yet: " + report.what(),
         "It is kept, and tried again at its times. Every failure stands in last_error.");
  }
}

}  // namespace

/// monitoring.create_collector(...) -> void
MONITORING_FUNCTION(monitoring_create_collector) {
  const std::string name = pg::required_text(fcinfo, 0, "collector_name");
  pg::require(fcinfo, 12, "replace");
  std::string sql =
      "INSERT INTO monitoring.collectors AS old (collector_name, query, every, timeout,"
      " metric_type, metrics, series_limit, store, expose, scope, enabled, owner)"
      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, coalesce($12, current_user))";
  if (PG_GETARG_BOOL(12)) {
    sql +=
        api::replacing("collector_name",
                       {"query", "every", "timeout", "metric_type", "metrics", "series_limit",
                        "store", "expose", "scope", "enabled", "owner", "search_path", "pack_name"},
                       ", next_run_at = NULL, consecutive_failures = 0,"
                       " average_duration_ms = NULL, stretched_every = NULL");
  }
  pg::Spi spi;
  api::make(api::kCollector, name, [&] {
    spi.execute(sql.c_str(),
                {pg::text(name), pg::text(pg::required_text(fcinfo, 1, "query")),
                 pg::argument(fcinfo, 2, INTERVALOID), pg::argument(fcinfo, 3, INTERVALOID),
                 pg::argument(fcinfo, 4, TEXTOID), pg::argument(fcinfo, 5, JSONBOID),
                 pg::argument(fcinfo, 6, INT4OID), pg::argument(fcinfo, 7, BOOLOID),
                 pg::argument(fcinfo, 8, BOOLOID), pg::argument(fcinfo, 9, TEXTOID),
                 pg::argument(fcinfo, 10, BOOLOID), pg::argument(fcinfo, 11, NAMEOID)});
  });
  // Through SQL, for the search_path of that function.
  spi.query("SELECT monitoring_internal.try_collector($1)", {pg::text(name)});
  PG_RETURN_VOID();
}

/// monitoring_internal.try_collector(collector_name) -> void
MONITORING_FUNCTION(monitoring_try_collector) {
  pg::Spi spi;
  try_out(spi, pg::required_text(fcinfo, 0, "collector_name"));
  PG_RETURN_VOID();
}

/// monitoring.drop_collector(collector_name, if_exists) -> boolean
MONITORING_FUNCTION(monitoring_drop_collector) {
  PG_RETURN_BOOL(api::drop(fcinfo, api::kCollector));
}

/// monitoring.run_collector(collector_name) -> integer
MONITORING_FUNCTION(monitoring_run_collector) {
  const std::string name = pg::required_text(fcinfo, 0, "collector_name");
  pg::Spi spi;
  const collect::CollectorRun run = collect::run_collector(spi, name, pg::SystemClock());
  if (run.error) {
    warn("collector \"" + name + "\" failed: " + *run.error,
         "Nothing of it was kept. The error stands in monitoring.collectors, too.");
  }
  PG_RETURN_INT32(static_cast<std::int32_t>(run.series));
}

/// monitoring.preview_collector(collector_name) -> setof (metric_name, value, labels)
MONITORING_FUNCTION(monitoring_preview_collector) {
  const std::string name = pg::required_text(fcinfo, 0, "collector_name");
  pg::call([&] { InitMaterializedSRF(fcinfo, 0); });
  std::vector<collect::CollectedSample> samples;
  {
    pg::Spi spi;
    samples = collect::preview_collector(spi, name, pg::SystemClock().now());
  }
  for (const collect::CollectedSample& sample : samples) {
    api::put_sample(fcinfo, sample.metric_name, sample.value, sample.labels);
  }
  PG_RETURN_NULL();
}

/// monitoring_internal.import_collectors(yaml, every, owner, search_path)
///   -> setof (collector_name, metric_names)
MONITORING_FUNCTION(monitoring_import_collectors) {
  const std::string yaml = pg::required_text(fcinfo, 0, "yaml");
  pg::required_positive_interval(fcinfo, 1, "every");
  collect::ImportSettings settings;
  settings.every = pg::argument(fcinfo, 1, INTERVALOID);
  settings.owner = pg::optional_text(fcinfo, 2);
  settings.search_path = pg::optional_text(fcinfo, 3).value_or("");
  settings.now = pg::SystemClock().now();
  pg::call([&] { InitMaterializedSRF(fcinfo, 0); });
  collect::CollectorImport imported;
  {
    pg::Spi spi;
    imported = collect::import_collectors(spi, yaml, settings);
  }
  for (const auto& note : imported.notes) warn(note.message, note.hint.c_str());
  const auto* result = reinterpret_cast<const ReturnSetInfo*>(fcinfo->resultinfo);
  for (const auto& collector : imported.collectors) {
    Datum values[] = {pg::text(collector.name).value, pg::text_array(collector.metric_names).value};
    bool nulls[2] = {};
    pg::call([&] { tuplestore_putvalues(result->setResult, result->setDesc, values, nulls); });
  }
  PG_RETURN_NULL();
}

/// monitoring_internal.settle_packs() -> integer
MONITORING_FUNCTION(monitoring_settle_packs) {
  pg::Spi spi;
  return Int32GetDatum(static_cast<std::int32_t>(collect::settle_packs(spi)));
}

/// monitoring_internal.snapshot_metrics() -> bigint
MONITORING_FUNCTION(monitoring_snapshot_metrics) {
  pg::Spi spi;
  return Int64GetDatum(collect::snapshot_metrics(spi));
}
