// SQL entry points of the configuration as a document.

#include "monitoring/pg/arguments.hpp"
#include "monitoring/pg/trigger.hpp"

extern "C" {
#include <access/htup_details.h>
#include <catalog/pg_type.h>
#include <miscadmin.h>
#include <utils/array.h>
#include <utils/builtins.h>
#include <utils/rel.h>
}
// clang-format keeps the server's headers first.
#include <string>
#include <vector>

#include "api/named_rows.hpp"

using namespace monitoring;

namespace {

std::vector<std::string> texts(Datum array) {
  std::vector<std::string> list;
  Datum* elements = nullptr;
  bool* nulls = nullptr;
  int count = 0;
  pg::call([&] {
    deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elements,
                      &nulls, &count);
  });
  for (int i = 0; i < count; ++i) {
    if (nulls[i]) continue;
    list.emplace_back(
        pg::call([&] { return static_cast<const char*>(TextDatumGetCString(elements[i])); }));
  }
  return list;
}

/// The owner of a table, for as long as this lives: the history is written by nobody else.
class AsOwnerOf {
 public:
  explicit AsOwnerOf(Relation table) {
    GetUserIdAndSecContext(&user_, &context_);
    SetUserIdAndSecContext(table->rd_rel->relowner, context_ | SECURITY_LOCAL_USERID_CHANGE);
  }
  ~AsOwnerOf() { SetUserIdAndSecContext(user_, context_); }
  AsOwnerOf(const AsOwnerOf&) = delete;
  AsOwnerOf& operator=(const AsOwnerOf&) = delete;

 private:
  Oid user_ = InvalidOid;
  int context_ = 0;
};

/// A row of the trigger's table as a parameter; NULL where there is none.
pg::Param row_param(Relation table, HeapTuple row) {
  const Oid type = table->rd_rel->reltype;
  if (row == nullptr) return pg::null_of(type);
  return pg::datum(
      type, pg::call([&] { return heap_copy_tuple_as_datum(row, RelationGetDescr(table)); }));
}

}  // namespace

/// monitoring_internal.nearest_name(name, known) -> text
MONITORING_FUNCTION(monitoring_nearest_name) {
  const std::string name = pg::optional_text(fcinfo, 0).value_or("");
  const std::string nearest = api::nearest_name(name, texts(PG_GETARG_DATUM(1)));
  if (nearest.empty()) PG_RETURN_NULL();
  return pg::text(nearest).value;
}

/// Trigger of every table of configuration.
MONITORING_FUNCTION(monitoring_record_config_change) {
  constexpr unsigned kEvents = pg::kOnInsert | pg::kOnUpdate | pg::kOnDelete;
  const pg::TriggerCall call(fcinfo, {"record_config_change", pg::TriggerTime::after, kEvents, 0});
  const TriggerData& data = call.data();
  const std::string role =
      pg::call([&] { return static_cast<const char*>(GetUserNameFromId(GetUserId(), false)); });
  const bool is_new = !call.is_update() && !call.is_delete();
  const AsOwnerOf owner(data.tg_relation);
  pg::Spi spi;
  spi.query("SELECT monitoring_internal.write_config_history($1, $2, $3, $4)",
            {pg::datum(OIDOID, ObjectIdGetDatum(RelationGetRelid(data.tg_relation))),
             pg::text(role), row_param(data.tg_relation, is_new ? nullptr : data.tg_trigtuple),
             row_param(data.tg_relation, call.is_delete() ? nullptr : call.row())});
  return call.result();
}
