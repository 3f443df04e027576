#pragma once
// The row that a trigger fires for, with C++ types.

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <access/htup_details.h>
#include <commands/trigger.h>
#include <executor/spi.h>
#include <utils/rel.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <optional>
#include <string>

namespace monitoring::api {

/// The row that a trigger fires for.
class TriggerRow {
 public:
  explicit TriggerRow(FunctionCallInfo fcinfo) {
    if (!CALLED_AS_TRIGGER(fcinfo)) {
      throw pg::Report(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                       "the function can only be called as a trigger");
    }
    trigger_ = reinterpret_cast<TriggerData*>(fcinfo->context);
    row_ = is_update() ? trigger_->tg_newtuple : trigger_->tg_trigtuple;
  }

  bool is_update() const { return TRIGGER_FIRED_BY_UPDATE(trigger_->tg_event); }
  /// The column's text form, none for NULL.
  std::optional<std::string> text(const char* column) const {
    const char* value = pg::call([&] {
      const TupleDesc columns = RelationGetDescr(trigger_->tg_relation);
      return static_cast<const char*>(SPI_getvalue(row_, columns, SPI_fnumber(columns, column)));
    });
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  }
  std::optional<double> float8(const char* column) const {
    bool is_null = false;
    const Datum value = pg::call([&] {
      const TupleDesc columns = RelationGetDescr(trigger_->tg_relation);
      return SPI_getbinval(row_, columns, SPI_fnumber(columns, column), &is_null);
    });
    if (is_null) return std::nullopt;
    return DatumGetFloat8(value);
  }
  /// Sets a column of type timestamptz.
  void set_timestamptz(const char* column, TimestampTz value) {
    row_ = pg::call([&] {
      const TupleDesc columns = RelationGetDescr(trigger_->tg_relation);
      int number = SPI_fnumber(columns, column);
      Datum datum = TimestampTzGetDatum(value);
      bool is_null = false;
      return heap_modify_tuple_by_cols(row_, columns, 1, &number, &datum, &is_null);
    });
  }
  Datum result() const { return PointerGetDatum(row_); }

 private:
  TriggerData* trigger_ = nullptr;
  HeapTuple row_ = nullptr;
};

}  // namespace monitoring::api
