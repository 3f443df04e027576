// SQL entry points of the store of samples.

#include "monitoring/pg/arguments.hpp"

extern "C" {
#include <catalog/pg_type.h>
#include <funcapi.h>
#include <utils/array.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <limits>
#include <map>

#include "api/transaction_time.hpp"
#include "monitoring/base/encoding.hpp"
#include "monitoring/base/labels_json.hpp"
#include "monitoring/metrics/text_parser.hpp"
#include "monitoring/pg/labels.hpp"
#include "monitoring/pg/settings.hpp"
#include "monitoring/pg/snapshot.hpp"
#include "monitoring/pg/time_limit.hpp"
#include "monitoring/promql/parser.hpp"
#include "monitoring/series/ingestion.hpp"
#include "monitoring/series/maintenance.hpp"
#include "monitoring/series/store_source.hpp"

using namespace monitoring;

namespace {

constexpr std::size_t kLongestMetadataName = 1024;
constexpr std::size_t kLongestHelp = 10 * 1024;
constexpr const char* kLabelsExample = R"({"job": "api"})";

std::int64_t ms_of_argument(TimestampTz time) {
  if (TIMESTAMP_IS_NOBEGIN(time)) return std::numeric_limits<std::int64_t>::min();
  if (TIMESTAMP_IS_NOEND(time)) return std::numeric_limits<std::int64_t>::max();
  const std::int64_t us = pg::instant_of(time).time_since_epoch().count();
  return (us - (us % 1000 + 1000) % 1000) / 1000;
}

std::vector<promql::Matcher> matchers_argument(FunctionCallInfo fcinfo) {
  const std::string text = pg::required_text(fcinfo, 0, "matchers");
  monitoring::Result<std::vector<promql::Matcher>> matchers = promql::parse_selector(text);
  if (matchers) return std::move(matchers).value();
  throw pg::Report(ERRCODE_SYNTAX_ERROR, "matchers: " + matchers.error().message)
      .hint("Give a selector of PromQL, such as up{job=\"api\"} or {__name__=~\"http_.*\"}.");
}

series::Ingestion new_ingestion() {
  series::IngestLimits limits;
  limits.max_series = pg::settings().max_series;
  limits.out_of_order_window_ms = std::int64_t{1000} * pg::settings().out_of_order_window_s;
  return {api::transaction_time(), limits};
}

std::int64_t finish(pg::Spi& spi, series::Ingestion& ingestion) {
  const series::IngestOutcome outcome = ingestion.write(spi);
  for (const auto& [reason, refused] : outcome.refused) {
    const std::string message =
        "samples refused: " + std::to_string(refused.samples) + " (" + reason + ")";
    const std::string detail = "One of their series is " + refused.example + ".";
    const char* message_text = message.c_str();
    const char* detail_text = detail.c_str();
    pg::call([&] {
      ereport(WARNING, errmsg("%s", message_text), errdetail("%s", detail_text),
              errhint("monitoring.refused_samples says what the reasons mean."));
    });
  }
  return static_cast<std::int64_t>(outcome.taken);
}

bool is_openmetrics(std::string_view text) {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  constexpr std::string_view kEnd = "# EOF";
  return text.size() >= kEnd.size() && text.substr(text.size() - kEnd.size()) == kEnd;
}

[[noreturn]] void refuse_text(std::string_view text, const Error& error) {
  const metrics::TextPlace place = metrics::place_of(text, error.position.value_or(0));
  throw pg::Report(ERRCODE_INVALID_TEXT_REPRESENTATION,
                   "line " + std::to_string(place.line) + ", column " +
                       std::to_string(place.column) + ": " + error.message)
      .hint(
          "Prometheus's text format 0.0.4 is read, or OpenMetrics where the text ends with # EOF.");
}

/// Those of the call win, as the labels of a target do.
Labels with_labels(const Labels& of_sample, const Labels& added) {
  Labels labels = of_sample;
  for (const auto& [name, value] : added) {
    const std::string own(labels.get(name));
    labels.set(name, value);
    if (own.empty()) continue;
    std::string exported = "exported_" + name;
    while (of_sample.has(exported) || added.has(exported)) exported = "exported_" + exported;
    labels.set(exported, own);
  }
  return labels;
}

void note_metadata(const metrics::TextParser& parser, metrics::TextParser::Entry entry,
                   std::map<std::string, series::Metadata>* metadata) {
  const std::string& name = parser.metric_name();
  if (name.size() > kLongestMetadataName || name.find('\0') != std::string::npos) return;
  if (parser.content().find('\0') != std::string::npos) return;
  series::Metadata& told = (*metadata)[name];
  const std::string content = truncated_bytes(parser.content(), kLongestHelp);
  if (entry == metrics::TextParser::Entry::kType) told.type = content;
  if (entry == metrics::TextParser::Entry::kHelp) told.help = content;
  if (entry == metrics::TextParser::Entry::kUnit) told.unit = content;
}

void add_text(std::string_view text, const Labels& added, std::int64_t scraped_ms,
              series::Ingestion* ingestion, std::map<std::string, series::Metadata>* metadata) {
  using Entry = metrics::TextParser::Entry;
  metrics::TextParser parser(text, is_openmetrics(text) ? metrics::ExpositionFormat::openmetrics
                                                        : metrics::ExpositionFormat::prometheus);
  for (std::uint64_t entries = 0;; ++entries) {
    if (entries % 1024 == 0) pg::call([] { CHECK_FOR_INTERRUPTS(); });
    const monitoring::Result<Entry> entry = parser.next();
    if (!entry) refuse_text(text, entry.error());
    if (*entry == Entry::kEnd) return;
    if (*entry != Entry::kSample) {
      note_metadata(parser, *entry, metadata);
      continue;
    }
    ingestion->add(with_labels(parser.labels(), added), parser.time_ms().value_or(scraped_ms),
                   parser.value());
  }
}

/// Without the name of a metric, which labels cannot give.
Labels labels_argument(FunctionCallInfo fcinfo, int index) {
  const std::string json = pg::required_object_text(fcinfo, index, "labels", kLabelsExample);
  Labels labels = pg::labels_of_json(json, "labels");
  if (!labels.has(metrics::kMetricNameLabel)) return labels;
  throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, "labels must not have the label __name__");
}

std::vector<TimestampTz> times_argument(FunctionCallInfo fcinfo, int index) {
  pg::require(fcinfo, index, "timestamps");
  ArrayType* array = pg::call([&] { return PG_GETARG_ARRAYTYPE_P(index); });
  if (ARR_NDIM(array) > 1) {
    throw pg::Report(ERRCODE_ARRAY_SUBSCRIPT_ERROR, "timestamps must have one dimension");
  }
  if (pg::call([&] { return array_contains_nulls(array); })) {
    throw pg::Report(ERRCODE_NULL_VALUE_NOT_ALLOWED, "timestamps must not contain null");
  }
  const int count = pg::call([&] { return ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)); });
  const auto* first = reinterpret_cast<const TimestampTz*>(ARR_DATA_PTR(array));
  return {first, first + count};
}

void put_sample(FunctionCallInfo fcinfo, Datum labels, std::int64_t time_ms, double value) {
  const auto* result = reinterpret_cast<const ReturnSetInfo*>(fcinfo->resultinfo);
  const Instant at{std::chrono::milliseconds(time_ms)};
  Datum values[] = {labels, TimestampTzGetDatum(pg::timestamptz_of(at)), Float8GetDatum(value)};
  bool nulls[3] = {};
  tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

}  // namespace

/// monitoring.samples(matchers, start_at, end_at) -> table(labels, timestamp, value)
MONITORING_FUNCTION(monitoring_samples) {
  promql::Selection selection;
  selection.matchers = matchers_argument(fcinfo);
  pg::require(fcinfo, 1, "start_at");
  pg::require(fcinfo, 2, "end_at");
  selection.start_ms = ms_of_argument(PG_GETARG_TIMESTAMPTZ(1));
  // The millisecond that begins at or after start_at.
  if (!TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(1)) && PG_GETARG_TIMESTAMPTZ(1) % 1000 != 0) {
    ++selection.start_ms;
  }
  selection.end_ms = ms_of_argument(PG_GETARG_TIMESTAMPTZ(2));
  pg::call([&] { InitMaterializedSRF(fcinfo, 0); });
  series::StoreSource source;
  pg::InterruptToken cancel;
  const auto cursor = source.select(selection, cancel);
  if (!cursor) throw pg::Report(ERRCODE_INTERNAL_ERROR, cursor.error());
  while (true) {
    const monitoring::Result<bool> more = (*cursor)->next_series();
    if (!more) throw pg::Report(ERRCODE_INTERNAL_ERROR, more.error());
    if (!*more) PG_RETURN_NULL();
    const Datum labels = pg::jsonb(json_of((*cursor)->labels()).dump()).value;
    while (true) {
      const monitoring::Result<promql::SampleBlock> block = (*cursor)->next_block();
      if (!block) throw pg::Report(ERRCODE_INTERNAL_ERROR, block.error());
      const promql::SampleBlock samples = *block;
      if (samples.size == 0) break;
      pg::call([&] {
        for (std::size_t i = 0; i < samples.size; ++i) {
          if (promql::is_stale(samples.values[i])) continue;
          put_sample(fcinfo, labels, samples.times_ms[i], samples.values[i]);
        }
      });
    }
  }
}

/// monitoring.ingest(exposition, labels, scraped_at) -> bigint
MONITORING_FUNCTION(monitoring_ingest) {
  const std::string text = pg::optional_text(fcinfo, 0).value_or("");
  pg::require(fcinfo, 0, "exposition");
  const Labels labels = labels_argument(fcinfo, 1);
  const Instant scraped_at = pg::required_time(fcinfo, 2, "scraped_at");
  series::Ingestion ingestion = new_ingestion();
  std::map<std::string, series::Metadata> metadata;
  add_text(text, labels, ms_of_argument(pg::timestamptz_of(scraped_at)), &ingestion, &metadata);
  pg::Spi spi;
  series::store_metadata(spi, metadata);
  PG_RETURN_INT64(finish(spi, ingestion));
}

/// monitoring.ingest_samples(metric_name, labels, timestamps, sample_values) -> bigint
MONITORING_FUNCTION(monitoring_ingest_samples) {
  const std::string metric_name = pg::required_text(fcinfo, 0, "metric_name");
  Labels labels = labels_argument(fcinfo, 1);
  const std::vector<TimestampTz> times = times_argument(fcinfo, 2);
  const std::vector<double> values = pg::float8_list(fcinfo, 3, "sample_values");
  if (times.size() != values.size()) {
    throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE,
                     "there are " + std::to_string(times.size()) + " timestamps and " +
                         std::to_string(values.size()) + " sample_values");
  }
  labels.set(std::string(metrics::kMetricNameLabel), metric_name);
  series::Ingestion ingestion = new_ingestion();
  for (std::size_t i = 0; i < times.size(); ++i) {
    ingestion.add(labels, ms_of_argument(times[i]), values[i]);
  }
  pg::Spi spi;
  PG_RETURN_INT64(finish(spi, ingestion));
}

/// monitoring.delete_series(matchers, start_at, end_at) -> bigint
MONITORING_FUNCTION(monitoring_delete_series) {
  const std::vector<promql::Matcher> matchers = matchers_argument(fcinfo);
  pg::require(fcinfo, 1, "start_at");
  pg::require(fcinfo, 2, "end_at");
  const Instant start = pg::instant_of(PG_GETARG_TIMESTAMPTZ(1));
  const Instant end = pg::instant_of(PG_GETARG_TIMESTAMPTZ(2));
  pg::Spi spi;
  pg::InterruptToken cancel;
  PG_RETURN_INT64(series::delete_samples(spi, matchers, start, end, cancel));
}

/// monitoring_internal.compact_samples(run_at, at_once) -> bigint
MONITORING_FUNCTION(monitoring_compact_samples) {
  const Instant now = pg::instant_of(PG_GETARG_TIMESTAMPTZ(0));
  pg::Spi spi;
  PG_RETURN_INT64(series::compact_samples(spi, now, PG_GETARG_BOOL(1)));
}

/// monitoring_internal.batched_samples() -> table(series_id, first_at, last_at, sample_count)
MONITORING_FUNCTION(monitoring_batched_samples) {
  pg::call([&] { InitMaterializedSRF(fcinfo, 0); });
  const auto* result = reinterpret_cast<const ReturnSetInfo*>(fcinfo->resultinfo);
  pg::Spi spi;
  for (const auto& [series_id, batched] : series::batched_samples(spi)) {
    Datum values[] = {Int64GetDatum(series_id), pg::timestamptz(batched.first_at).value,
                      pg::timestamptz(batched.last_at).value, Int64GetDatum(batched.count)};
    bool nulls[4] = {};
    pg::call([&] { tuplestore_putvalues(result->setResult, result->setDesc, values, nulls); });
  }
  PG_RETURN_NULL();
}
