#include "monitoring/collect/careful_passes.hpp"

#include "monitoring/issues/unusable.hpp"
#include "monitoring/pg/prepared.hpp"

extern "C" {
#include <catalog/pg_type.h>
}
// clang-format keeps the server's headers first.
#include <string>

namespace monitoring::collect {

namespace {

struct CarefulPass {
  const char* worker_name;
  /// What an object is called: pack "a".
  const char* noun;
  /// Of one object; $1 NULL: of all.
  const char* function;
  /// Those that there are.
  const char* objects;
};

std::int64_t number(pg::Spi& spi, const char* sql, const pg::Param& object) {
  return spi.query(sql, {object}).int8(0, 1).value_or(0);
}

std::int64_t make(pg::Spi& spi, const CarefulPass& pass) {
  issues::UnusableObjects unusable(pass.worker_name, "unusable");
  std::int64_t sum = 0;
  if (issues::try_alone([&] { sum = number(spi, pass.function, pg::null_of(TEXTOID)); })) {
    sum = 0;
    const pg::Rows objects = spi.query(pass.objects);
    for (std::uint64_t row = 0; row < objects.size(); ++row) {
      const std::string name = *objects.text(row, 1);
      unusable.attempt(std::string(pass.noun) + " \"" + name + "\"",
                       [&] { sum += number(spi, pass.function, pg::text(name)); });
    }
  }
  unusable.settle(spi);
  return sum;
}

}  // namespace

std::int64_t settle_packs(pg::Spi& spi) {
  return make(spi, {"packs", "pack", "SELECT monitoring_internal.settle_pack($1)::pg_catalog.int8",
                    "SELECT pack_name FROM monitoring_internal.enabled_packs"
                    " UNION SELECT pack_name FROM monitoring_internal.table_packs ORDER BY 1"});
}

std::int64_t snapshot_metrics(pg::Spi& spi) {
  static pg::Prepared anything(
      "SELECT EXISTS (SELECT FROM monitoring.metric_definitions WHERE snapshot)"
      " OR EXISTS (SELECT FROM monitoring_internal.metric_snapshots)",
      {});
  if (!*anything.query(spi).boolean(0, 1)) return 0;
  return make(spi, {"metric snapshots", "metric", "SELECT monitoring_internal.snapshot_metric($1)",
                    "SELECT metric_name FROM monitoring.metric_definitions WHERE snapshot"
                    " ORDER BY 1"});
}

}  // namespace monitoring::collect
