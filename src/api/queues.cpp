// SQL entry points of the queues.

#include "monitoring/store/queues.hpp"

#include "monitoring/pg/arguments.hpp"
#include "monitoring/pg/version.hpp"
#include "monitoring/store/events.hpp"

extern "C" {
#include <commands/trigger.h>
#include <executor/spi.h>
#include <utils/acl.h>
#include <utils/builtins.h>
}
// clang-format keeps the server's headers first.
#include <nlohmann/json.hpp>

using namespace monitoring;

namespace {

/// The column "owner" of the row that the trigger fires for.
const char* owner_of(const TriggerData* trigger, HeapTuple row) {
  const TupleDesc columns = RelationGetDescr(trigger->tg_relation);
  bool is_null = false;
  const Datum owner = SPI_getbinval(row, columns, SPI_fnumber(columns, "owner"), &is_null);
  return is_null ? nullptr : NameStr(*DatumGetName(owner));
}

/// A superuser may name a role that is not there: the dump may be restored before its roles are.
bool is_allowed(const char* owner) {
  const Oid role = get_role_oid(owner, superuser());
  return !OidIsValid(role) || pg::may_act_as(role);
}

}  // namespace

/// monitoring.check_queues() -> integer
MONITORING_FUNCTION(monitoring_check_queues) {
  pg::Spi spi;
  const store::QueueCheck result = store::check_queues(spi);
  store::log_event(spi, "queue_monitoring_run",
                   "{\"queues_checked\": " + std::to_string(result.checked) +
                       ", \"queues_failed\": " + std::to_string(result.failed) +
                       ", \"stuck_messages\": " + std::to_string(result.stuck_messages) + "}");
  PG_RETURN_INT32(result.checked);
}

/// monitoring.requeue_dead_letters(queue_name text) -> bigint
MONITORING_FUNCTION(monitoring_requeue_dead_letters) {
  const std::string queue_name = pg::required_text(fcinfo, 0, "queue_name");
  pg::Spi spi;
  const std::int64_t requeued = store::requeue_dead_letters(spi, queue_name);
  const nlohmann::ordered_json details = {{"queue_name", queue_name}, {"messages", requeued}};
  store::log_event(spi, "dead_letters_requeued", details.dump());
  PG_RETURN_INT64(requeued);
}

/// Trigger BEFORE INSERT OR UPDATE FOR EACH ROW on a table with a column owner of type name.
MONITORING_FUNCTION(monitoring_check_owner) {
  if (!CALLED_AS_TRIGGER(fcinfo)) {
    throw pg::Report(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                     "monitoring._check_owner() can only be called as a trigger");
  }
  const auto* trigger = reinterpret_cast<const TriggerData*>(fcinfo->context);
  HeapTuple row =
      TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple;
  const char* owner = nullptr;
  const bool allowed = pg::call([&] {
    owner = owner_of(trigger, row);
    return owner == nullptr || is_allowed(owner);
  });
  if (allowed) return PointerGetDatum(row);
  throw pg::Report(ERRCODE_INSUFFICIENT_PRIVILEGE,
                   std::string("must be a member of role \"") + owner + "\"")
      .hint("The owner is the role that the row's SQL runs as.");
}
