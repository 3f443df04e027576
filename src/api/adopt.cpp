// SQL entry point that takes over an older installation.

#include "monitoring/setup/adopt.hpp"

#include "monitoring/pg/arguments.hpp"
#include "monitoring/pg/extension_members.hpp"

extern "C" {
#include <funcapi.h>
#include <utils/builtins.h>
#include <utils/tuplestore.h>
}

using namespace monitoring;

namespace {

void put(FunctionCallInfo fcinfo, const setup::Adopted& adopted) {
  const auto* result = reinterpret_cast<const ReturnSetInfo*>(fcinfo->resultinfo);
  Datum values[] = {pg::text(adopted.object).value, Int64GetDatum(adopted.rows)};
  bool nulls[] = {false, false};
  pg::call([&] { tuplestore_putvalues(result->setResult, result->setDesc, values, nulls); });
}

/// The old jobs call functions by names that now are the extension's: they go on working.
void tell_of_cron(pg::Spi& spi) {
  if (!pg::relation_of_extension(spi, "pg_cron", "job")) return;
  pg::call([] {
    ereport(NOTICE, (errmsg("jobs in cron.job are left as they are"),
                     errhint("Remove those of the old installation with cron.unschedule(), or "
                             "call monitoring.schedule_jobs() to let pg_cron run the new ones.")));
  });
}

}  // namespace

/// monitoring.adopt(old_schema) -> setof (object, rows)
MONITORING_FUNCTION(monitoring_adopt) {
  pg::require(fcinfo, 0, "old_schema");
  const std::string old_schema = NameStr(*DatumGetName(PG_GETARG_DATUM(0)));
  pg::call([&] { InitMaterializedSRF(fcinfo, 0); });
  std::vector<setup::Adopted> all;
  {
    pg::Spi spi;
    all = setup::adopt(spi, old_schema);
    tell_of_cron(spi);
  }
  for (const setup::Adopted& adopted : all) put(fcinfo, adopted);
  PG_RETURN_NULL();
}
