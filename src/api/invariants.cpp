// SQL entry points of the invariants (sql/install/invariants/invariants.sql).

#include "monitoring/invariants/invariants.hpp"

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <funcapi.h>
#include <utils/builtins.h>
#include <utils/tuplestore.h>
}

using namespace monitoring;  // NOLINT: this file is all entry points

MONITORING_FUNCTION(monitoring_check_invariants) {
  pg::call([&] { InitMaterializedSRF(fcinfo, 0); });
  const auto* result = reinterpret_cast<const ReturnSetInfo*>(fcinfo->resultinfo);
  pg::Spi spi;
  for (const invariants::InvariantCheck& check : invariants::check_invariants(spi)) {
    pg::call([&] {
      Datum values[] = {CStringGetTextDatum(check.name.c_str()), BoolGetDatum(check.ok),
                        CStringGetTextDatum(check.detail.c_str())};
      bool nulls[] = {false, false, check.detail.empty()};
      tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    });
  }
  PG_RETURN_NULL();
}

MONITORING_FUNCTION(monitoring_report_invariants) {
  pg::Spi spi;
  invariants::report_invariants(spi);
  PG_RETURN_VOID();
}
