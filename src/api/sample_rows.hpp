#pragma once
// Rows (metric_name text, value float8, labels jsonb) of SQL functions that return samples.

#include "monitoring/pg/spi.hpp"

extern "C" {
#include <funcapi.h>
}
// clang-format keeps the server's headers first.
#include <string>

#include "monitoring/base/labels_json.hpp"

namespace monitoring::api {

/// Adds a row to the result of a function that has called InitMaterializedSRF.
inline void put_sample(FunctionCallInfo fcinfo, const std::string& metric_name, double value,
                       const Labels& labels) {
  const auto* result = reinterpret_cast<const ReturnSetInfo*>(fcinfo->resultinfo);
  Datum values[] = {pg::text(metric_name).value, pg::float8(value).value,
                    pg::jsonb(json_of(labels).dump()).value};
  bool nulls[3] = {};
  pg::call([&] { tuplestore_putvalues(result->setResult, result->setDesc, values, nulls); });
}

}  // namespace monitoring::api
