#include "collect/collected_metrics.hpp"

#include "monitoring/base/json.hpp"
#include "monitoring/pg/prepared.hpp"

extern "C" {
#include <catalog/pg_type.h>
}
// clang-format keeps the server's headers first.
#include <set>

#include "monitoring/shmem/registry.hpp"

namespace monitoring::collect {

namespace {

struct Shown {
  std::set<shmem::Series*> series;
  std::set<std::string, std::less<>> metrics;
};

/// By collector: what this process has exposed. Lives as long as the process.
std::map<std::string, Shown, std::less<>>& shown() {
  static auto* const all = new std::map<std::string, Shown, std::less<>>;
  return *all;
}

[[noreturn]] void refuse_descriptions(const std::string& what) {
  throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, what)
      .hint(R"(Write it as {"name": {"type": "counter", "help": "..."}}.)");
}

MetricDescription description_of(const std::string& name, const Json& given,
                                 const MetricDescription& by_default) {
  MetricDescription description = by_default;
  if (!given.is_object()) refuse_descriptions("metrics: \"" + name + "\" is not an object");
  const Json type = given.value("type", Json(std::string(type_name(by_default.type))));
  const auto parsed = type.is_string() ? metrics::parse_type(type.string()) : std::nullopt;
  if (!parsed || *parsed == metrics::MetricType::histogram) {
    refuse_descriptions("metrics: the type of \"" + name + "\" is neither gauge nor counter");
  }
  description.type = *parsed;
  const Json help = given.value("help", Json(by_default.help));
  if (!help.is_string()) refuse_descriptions("metrics: the help of \"" + name + "\" is no text");
  description.help = help.string();
  return description;
}

std::string reason_text(shmem::Refusal refusal) {
  switch (refusal) {
    case shmem::Refusal::memory:
      return "monitoring.registry_size is used up";
    case shmem::Refusal::series_limit:
      return "it has monitoring.max_series_per_metric series";
    default:
      return "a metric of this name is of another type";
  }
}

/// The series, or why there is none.
shmem::Series* show(const Exposure& exposure, const CollectedSample& sample, std::string* why_not) {
  if (const auto error = metrics::check_metric_name(sample.metric_name)) {
    *why_not = error->message;
    return nullptr;
  }
  const auto found = exposure.metrics.find(sample.metric_name);
  const MetricDescription& description =
      found == exposure.metrics.end() ? exposure.by_default : found->second;
  const metrics::MetricSpec spec{sample.metric_name, description.type, description.help};
  const shmem::Found series =
      shmem::find_or_create(exposure.database, spec, metrics::label_bytes(sample.labels));
  if (series.series != nullptr) {
    shmem::set(*series.series, sample.value);
  } else {
    *why_not = "metric \"" + sample.metric_name + "\": " + reason_text(series.refusal);
  }
  return series.series;
}

/// For the next process, should this one end: memory of what there is outlives it.
void note_metric(pg::Spi& spi, const Exposure& exposure, const std::string& metric_name,
                 Shown* shown) {
  if (!shown->metrics.insert(metric_name).second) return;
  spi.execute(
      "INSERT INTO monitoring_internal.collector_metrics (collector_name, metric_name, "
      "whole_cluster)"
      " VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
      {pg::text(exposure.collector_name), pg::text(metric_name),
       pg::boolean(exposure.database == shmem::kWholeCluster)});
}

void withdraw(pg::Spi& spi, const std::string& collector_name, const Shown& gone) {
  for (shmem::Series* series : gone.series) shmem::remove(*series);
  spi.execute("DELETE FROM monitoring_internal.collector_metrics WHERE collector_name = $1",
              {pg::text(collector_name)});
}

}  // namespace

std::map<std::string, MetricDescription, std::less<>> metric_descriptions_of(
    const std::string& text, const MetricDescription& by_default) {
  std::map<std::string, MetricDescription, std::less<>> descriptions;
  const Json object = Json::parse_or_null(text);
  if (!object.is_object()) refuse_descriptions("metrics must be a JSON object");
  for (const auto& [name, given] : object.members()) {
    descriptions.emplace(name, description_of(name, given, by_default));
  }
  return descriptions;
}

std::optional<std::string> expose(pg::Spi& spi, const Exposure& exposure,
                                  const std::vector<CollectedSample>& samples) {
  if (!shmem::registry_available()) return std::nullopt;
  Shown& before = shown()[exposure.collector_name];
  std::set<shmem::Series*> now;
  std::string why_not;
  for (const CollectedSample& sample : samples) {
    shmem::Series* const series = show(exposure, sample, &why_not);
    if (series == nullptr) continue;
    now.insert(series);
    note_metric(spi, exposure, sample.metric_name, &before);
  }
  for (shmem::Series* series : before.series) {
    if (now.count(series) == 0) shmem::remove(*series);
  }
  before.series = std::move(now);
  if (why_not.empty()) return std::nullopt;
  return why_not;
}

void forget_exposed(pg::Spi& spi) {
  if (!shmem::registry_available()) return;
  const pg::Rows rows = spi.query(
      "DELETE FROM monitoring_internal.collector_metrics RETURNING metric_name, whole_cluster");
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    const Oid database = *rows.boolean(row, 2) ? shmem::kWholeCluster : MyDatabaseId;
    shmem::remove_metric(database, *rows.text(row, 1));
  }
}

void withdraw_others(pg::Spi& spi, const RunElsewhere& elsewhere) {
  if (shown().empty()) return;
  static pg::Prepared still_exposed(
      "SELECT collector_name FROM monitoring.collectors WHERE enabled AND expose"
      " AND (scope = 'database'"
      "  OR NOT hashtextextended(collector_name COLLATE \"C\", 0) = ANY ($1))",
      {INT8ARRAYOID});
  const pg::Rows rows = still_exposed.query(spi, {pg::int8_array(elsewhere)});
  std::set<std::string> kept;
  for (std::uint64_t row = 0; row < rows.size(); ++row) kept.insert(*rows.text(row, 1));
  for (auto at = shown().begin(); at != shown().end();) {
    if (kept.count(at->first) > 0) {
      ++at;
      continue;
    }
    withdraw(spi, at->first, at->second);
    at = shown().erase(at);
  }
}

}  // namespace monitoring::collect
