// The trigger that says what is wrong with a row of a configuration table.

#include "monitoring/pg/row_check.hpp"
#include "monitoring/pg/trigger.hpp"

using namespace monitoring;

/// Trigger, before a row is written and after all others that may still change it.
MONITORING_FUNCTION(monitoring_check_values) {
  const pg::TriggerCall call(
      fcinfo, {"check_values", pg::TriggerTime::before, pg::kOnInsert | pg::kOnUpdate, 0});
  const bool any_value = call.data().tg_trigger->tgnargs > 0;
  pg::check_row(call.data().tg_relation, call.row(),
                any_value ? pg::RowRules::constraints : pg::RowRules::usable_values);
  return call.result();
}
