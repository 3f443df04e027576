#include "monitoring/pg/trigger.hpp"

extern "C" {
#include <access/htup_details.h>
#include <catalog/dependency.h>
#include <catalog/partition.h>
#include <catalog/pg_class.h>
#include <catalog/pg_proc.h>
#include <catalog/pg_type.h>
#include <executor/spi.h>
#include <utils/builtins.h>
#include <utils/fmgrprotos.h>
#include <utils/rel.h>
}
// clang-format keeps the server's headers first.
#include "monitoring/pg/encoding.hpp"

namespace monitoring::pg {

namespace {

[[noreturn]] void refuse(const TriggerUse& use, const std::string& why) {
  throw Report(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
               "monitoring_internal." + std::string(use.function) + "() " + why)
      .hint("It is a part of the extension; do not make triggers with it.");
}

unsigned event_of(TriggerEvent event) {
  if (TRIGGER_FIRED_BY_INSERT(event)) return kOnInsert;
  if (TRIGGER_FIRED_BY_UPDATE(event)) return kOnUpdate;
  if (TRIGGER_FIRED_BY_DELETE(event)) return kOnDelete;
  return kOnTruncate;
}

bool is_at(TriggerEvent event, TriggerTime time) {
  if (TRIGGER_FIRED_BEFORE(event)) return time == TriggerTime::before;
  if (TRIGGER_FIRED_AFTER(event)) return time == TriggerTime::after;
  return time == TriggerTime::instead_of;
}

bool is_meant(TriggerEvent event, const TriggerUse& use) {
  const unsigned events = TRIGGER_FIRED_FOR_ROW(event) ? use.row_events : use.statement_events;
  return is_at(event, use.time) && (events & event_of(event)) != 0;
}

/// Partitions that were made at run time are no members; what they are a part of is. Under
/// pg::call.
Oid extension_of_table(Relation relation) {
  Oid table = RelationGetRelid(relation);
  if (relation->rd_rel->relispartition) table = llast_oid(get_partition_ancestors(table));
  return getExtensionOfObject(RelationRelationId, table);
}

/// Looked up for the first row of a statement: the server keeps a flinfo for each relation.
bool is_own_table(FmgrInfo* flinfo, Relation relation) {
  return call([&] {
    auto* known = static_cast<Oid*>(flinfo->fn_extra);
    if (known != nullptr && *known == RelationGetRelid(relation)) return true;
    const Oid extension = getExtensionOfObject(ProcedureRelationId, flinfo->fn_oid);
    if (!OidIsValid(extension) || extension_of_table(relation) != extension) return false;
    if (known == nullptr) {
      known = static_cast<Oid*>(MemoryContextAlloc(flinfo->fn_mcxt, sizeof(Oid)));
      flinfo->fn_extra = known;
    }
    *known = RelationGetRelid(relation);
    return true;
  });
}

std::string text_of(Datum value) {
  return utf8_of(call([&] {
    return static_cast<const char*>(text_to_cstring(
        pg_detoast_datum_packed(reinterpret_cast<struct varlena*>(DatumGetPointer(value)))));
  }));
}

}  // namespace

TriggerCall::TriggerCall(FunctionCallInfo fcinfo, const TriggerUse& use) {
  if (!CALLED_AS_TRIGGER(fcinfo)) refuse(use, "can only be called as a trigger");
  trigger_ = reinterpret_cast<TriggerData*>(fcinfo->context);
  if (!is_meant(trigger_->tg_event, use)) refuse(use, "is not made for this event");
  if (!is_own_table(fcinfo->flinfo, trigger_->tg_relation)) {
    refuse(use, "is for tables of the extension only");
  }
  if (TRIGGER_FIRED_FOR_ROW(trigger_->tg_event)) {
    row_ = is_update() ? trigger_->tg_newtuple : trigger_->tg_trigtuple;
  }
}

int TriggerCall::column(const char* name, Oid type) const {
  const TupleDesc columns = RelationGetDescr(trigger_->tg_relation);
  const int number = call([&] { return SPI_fnumber(columns, name); });
  const char* table = RelationGetRelationName(trigger_->tg_relation);
  if (number <= 0) {
    throw Report(ERRCODE_UNDEFINED_COLUMN,
                 "table \"" + std::string(table) + "\" has no column \"" + name + "\"")
        .hint("The extension needs its tables as it made them; further columns may be added.");
  }
  if (TupleDescAttr(columns, number - 1)->atttypid == type) return number;
  throw Report(ERRCODE_DATATYPE_MISMATCH,
               "column \"" + std::string(name) + "\" of table \"" + table + "\" is not of type " +
                   call([&] { return static_cast<const char*>(format_type_be(type)); }))
      .hint("The extension needs its tables as it made them; further columns may be added.");
}

Param TriggerCall::value_of(HeapTuple row, const char* name, Oid type) const {
  const int number = column(name, type);
  bool is_null = false;
  const Datum value = call([&] {
    return SPI_getbinval(row, RelationGetDescr(trigger_->tg_relation), number, &is_null);
  });
  return datum(type, value, is_null);
}

Param TriggerCall::value(const char* column, Oid type) const {
  return value_of(row_, column, type);
}

std::optional<std::string> TriggerCall::text(const char* column) const {
  const Param found = value(column, TEXTOID);
  if (found.is_null) return std::nullopt;
  return text_of(found.value);
}

std::optional<std::string> TriggerCall::old_text(const char* column) const {
  const Param found = value_of(trigger_->tg_trigtuple, column, TEXTOID);
  if (found.is_null) return std::nullopt;
  return text_of(found.value);
}

std::optional<std::string> TriggerCall::name(const char* column) const {
  const Param found = value(column, NAMEOID);
  if (found.is_null) return std::nullopt;
  return std::string(NameStr(*DatumGetName(found.value)));
}

std::optional<std::string> TriggerCall::old_name(const char* column) const {
  const Param found = value_of(trigger_->tg_trigtuple, column, NAMEOID);
  if (found.is_null) return std::nullopt;
  return std::string(NameStr(*DatumGetName(found.value)));
}

std::optional<std::string> TriggerCall::jsonb(const char* column) const {
  const Param found = value(column, JSONBOID);
  if (found.is_null) return std::nullopt;
  return std::string(call([&] {
    return static_cast<const char*>(DatumGetCString(DirectFunctionCall1(jsonb_out, found.value)));
  }));
}

std::optional<std::string> TriggerCall::old_jsonb(const char* column) const {
  const Param found = value_of(trigger_->tg_trigtuple, column, JSONBOID);
  if (found.is_null) return std::nullopt;
  return std::string(call([&] {
    return static_cast<const char*>(DatumGetCString(DirectFunctionCall1(jsonb_out, found.value)));
  }));
}

std::optional<double> TriggerCall::float8(const char* column) const {
  const Param found = value(column, FLOAT8OID);
  if (found.is_null) return std::nullopt;
  return DatumGetFloat8(found.value);
}

std::optional<std::int64_t> TriggerCall::int8(const char* column) const {
  const Param found = value(column, INT8OID);
  if (found.is_null) return std::nullopt;
  return DatumGetInt64(found.value);
}

std::optional<std::int64_t> TriggerCall::old_int8(const char* column) const {
  const Param found = value_of(trigger_->tg_trigtuple, column, INT8OID);
  if (found.is_null) return std::nullopt;
  return DatumGetInt64(found.value);
}

std::optional<Oid> TriggerCall::oid(const char* column) const {
  const Param found = value(column, OIDOID);
  if (found.is_null) return std::nullopt;
  return DatumGetObjectId(found.value);
}

std::optional<Oid> TriggerCall::old_oid(const char* column) const {
  const Param found = value_of(trigger_->tg_trigtuple, column, OIDOID);
  if (found.is_null) return std::nullopt;
  return DatumGetObjectId(found.value);
}

void TriggerCall::set(const char* name, const Param& value) {
  int number = column(name, value.type);
  row_ = call([&] {
    Datum datum = value.value;
    bool is_null = value.is_null;
    return heap_modify_tuple_by_cols(row_, RelationGetDescr(trigger_->tg_relation), 1, &number,
                                     &datum, &is_null);
  });
}

}  // namespace monitoring::pg
