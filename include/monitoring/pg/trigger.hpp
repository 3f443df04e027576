#pragma once
// The call of a trigger function.
//
// Whoever may execute a trigger function can put it on a table of his own, with columns, events and
// arguments of his choice. So the call says what it was made for, and is refused otherwise: called
// by the trigger manager, at this time and event, for a table or view that belongs to the same
// extension as the function does (by OID: a name proves nothing), with columns of these types.

#include "monitoring/pg/spi.hpp"

extern "C" {
#include <commands/trigger.h>
}
// clang-format keeps the server's headers first.
#include <optional>
#include <string>

namespace monitoring::pg {

enum class TriggerTime { before, after, instead_of };

/// Events, to be joined with |.
enum TriggerEvents : unsigned {
  kOnInsert = 1,
  kOnUpdate = 2,
  kOnDelete = 4,
  kOnTruncate = 8,
};

/// What a trigger function was made for.
struct TriggerUse {
  const char* function;
  TriggerTime time;
  unsigned row_events;        ///< FOR EACH ROW
  unsigned statement_events;  ///< FOR EACH STATEMENT
};

/// A checked call. Columns are found by name, and read only if they have the type that is asked
/// for: 42703 and 42804 otherwise. Which use is allowed is looked up once for a statement.
class TriggerCall {
 public:
  TriggerCall(FunctionCallInfo fcinfo, const TriggerUse& use);

  bool is_update() const { return TRIGGER_FIRED_BY_UPDATE(trigger_->tg_event); }
  bool is_delete() const { return TRIGGER_FIRED_BY_DELETE(trigger_->tg_event); }
  bool is_truncate() const { return TRIGGER_FIRED_BY_TRUNCATE(trigger_->tg_event); }

  // The new row, or of a DELETE the old one. The value of a NULL is nullopt.
  std::optional<std::string> text(const char* column) const;
  std::optional<std::string> name(const char* column) const;
  /// As text.
  std::optional<std::string> jsonb(const char* column) const;
  std::optional<double> float8(const char* column) const;
  std::optional<std::int64_t> int8(const char* column) const;
  std::optional<Oid> oid(const char* column) const;
  Param value(const char* column, Oid type) const;
  bool is_null(const char* column, Oid type) const { return value(column, type).is_null; }
  /// Of an UPDATE, the row as it was.
  std::optional<std::string> old_text(const char* column) const;
  std::optional<std::string> old_name(const char* column) const;
  std::optional<std::string> old_jsonb(const char* column) const;
  std::optional<std::int64_t> old_int8(const char* column) const;
  std::optional<Oid> old_oid(const char* column) const;

  /// Changes the row that a BEFORE trigger returns.
  void set(const char* column, const Param& value);
  /// What the trigger function returns: the row, changed or not; of a statement nothing.
  Datum result() const { return PointerGetDatum(row_); }

  /// The number of a column that has this type.
  int column(const char* name, Oid type) const;
  const TriggerData& data() const { return *trigger_; }
  /// As result(), for who needs all of it; nullptr for a statement.
  HeapTuple row() const { return row_; }

 private:
  Param value_of(HeapTuple row, const char* column, Oid type) const;

  TriggerData* trigger_ = nullptr;
  HeapTuple row_ = nullptr;
};

}  // namespace monitoring::pg
