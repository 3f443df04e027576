// SQL entry points of retention and partitions (sql/install/retention/retention.sql).

#include "monitoring/retention/retention.hpp"
#include "monitoring/measurements/partitions.hpp"

extern "C" {
#include <access/xact.h>
#include <access/xlog.h>
#include <funcapi.h>
#include <utils/builtins.h>
}

#include "api/transaction_time.hpp"

namespace monitoring {

namespace {

void put_row(ReturnSetInfo* result, const std::string& kind, std::int64_t rows) {
  pg::call([&] {
    bool nulls[2] = {false, false};
    Datum values[2] = {CStringGetTextDatum(kind.c_str()), Int64GetDatum(rows)};
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
  });
}

}  // namespace

}  // namespace monitoring

MONITORING_FUNCTION(monitoring_apply_retention) {
  using namespace monitoring;  // NOLINT: one function
  pg::call([&] { InitMaterializedSRF(fcinfo, 0); });
  auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  pg::Spi spi;
  for (const auto& [kind, rows] : retention::apply_retention(spi, api::transaction_time())) {
    put_row(result, kind, rows);
  }
  PG_RETURN_NULL();
}

MONITORING_FUNCTION(monitoring_maintain_partitions) {
  using namespace monitoring;  // NOLINT: one function
  pg::Spi spi;
  const measurements::Days days =
      PG_GETARG_BOOL(1) ? measurements::Days::all : measurements::Days::to_come;
  return Int32GetDatum(
      measurements::maintain_partitions(spi, api::transaction_time(), days, PG_GETARG_INT32(0)));
}
