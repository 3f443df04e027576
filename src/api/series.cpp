// SQL entry point of windows over recorded measurements.

#include "monitoring/pg/arguments.hpp"

extern "C" {
#include <catalog/pg_type.h>
#include <funcapi.h>
#include <utils/builtins.h>
#include <utils/timestamp.h>
#include <utils/tuplestore.h>
}
// clang-format keeps the server's headers first.
#include <optional>
#include <string>
#include <vector>

#include "monitoring/alerting/threshold.hpp"
#include "monitoring/series/window.hpp"

using namespace monitoring;

namespace {

/// A row's labels and value.
void put(FunctionCallInfo fcinfo, const pg::Rows& rows, std::uint64_t row) {
  const auto* result = reinterpret_cast<const ReturnSetInfo*>(fcinfo->resultinfo);
  Datum values[2] = {};
  bool nulls[2] = {};
  for (int column = 0; column < 2; ++column) {
    values[column] = rows.raw(row, column + 2, &nulls[column]);
  }
  pg::call([&] { tuplestore_putvalues(result->setResult, result->setDesc, values, nulls); });
}

std::string required_aggregate(FunctionCallInfo fcinfo, int index) {
  std::string aggregate = pg::required_text(fcinfo, index, "aggregate");
  if (alerting::aggregate_from_text(aggregate)) return aggregate;
  throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, "unknown aggregate \"" + aggregate + "\"")
      .hint("Known are " + alerting::aggregate_names() + ".");
}

/// The texts of an array; its NULLs are left out.
std::optional<std::vector<std::string>> optional_texts(pg::Spi& spi, FunctionCallInfo fcinfo,
                                                       int index) {
  if (PG_ARGISNULL(index)) return std::nullopt;
  const pg::Rows rows = spi.query("SELECT t FROM unnest($1) AS t WHERE t IS NOT NULL",
                                  {pg::argument(fcinfo, index, TEXTARRAYOID)});
  std::vector<std::string> texts;
  for (std::uint64_t row = 0; row < rows.size(); ++row) texts.push_back(*rows.text(row, 1));
  return texts;
}

}  // namespace

/// monitoring.metric_values(metric_name, aggregate, over_last, evaluated_at, matching, by_labels)
/// -> table(labels, value)
MONITORING_FUNCTION(monitoring_metric_values) {
  series::SeriesSelector selector;
  series::SeriesWindow window;
  selector.metric_name = pg::required_text(fcinfo, 0, "metric_name");
  window.aggregate = required_aggregate(fcinfo, 1);
  window.over_last = pg::required_positive_interval(fcinfo, 2, "over_last");
  pg::require(fcinfo, 3, "evaluated_at");
  selector.matching = pg::required_object_text(fcinfo, 4, "matching", R"({"queue": "emails"})");
  pg::call([&] { InitMaterializedSRF(fcinfo, 0); });
  pg::Spi spi;
  window.by_labels = optional_texts(spi, fcinfo, 5);
  const Instant until = pg::instant_of(PG_GETARG_TIMESTAMPTZ(3));
  const pg::Rows rows = series::read_series(spi, window, {selector}, until);
  for (std::uint64_t row = 0; row < rows.size(); ++row) put(fcinfo, rows, row);
  PG_RETURN_NULL();
}
