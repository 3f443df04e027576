// The trigger that says what is wrong with a row of a configuration table.

#include "monitoring/pg/row_check.hpp"

extern "C" {
#include <commands/trigger.h>
#include <utils/rel.h>
}

using namespace monitoring;

/// Trigger, before a row is written and after all others that may still change it.
MONITORING_FUNCTION(monitoring_check_values) {
  const auto* trigger =
      CALLED_AS_TRIGGER(fcinfo) ? reinterpret_cast<TriggerData*>(fcinfo->context) : nullptr;
  const bool fits = trigger != nullptr && TRIGGER_FIRED_BEFORE(trigger->tg_event) &&
                    TRIGGER_FIRED_FOR_ROW(trigger->tg_event) &&
                    !TRIGGER_FIRED_BY_DELETE(trigger->tg_event);
  if (!fits) {
    throw pg::Report(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                     "the function can only be called as a trigger before a row is written");
  }
  HeapTuple row =
      TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple;
  pg::check_row(trigger->tg_relation, row);
  return PointerGetDatum(row);
}
