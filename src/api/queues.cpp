// SQL entry points of the queues.

#include "monitoring/health/queues.hpp"

#include "monitoring/base/json.hpp"
#include "monitoring/issues/events.hpp"
#include "monitoring/pg/arguments.hpp"
#include "monitoring/pg/trigger.hpp"

// clang-format keeps the server's headers first.

#include "api/own_rows.hpp"

using namespace monitoring;

/// monitoring.check_queues() -> integer
MONITORING_FUNCTION(monitoring_check_queues) {
  pg::Spi spi;
  const health::QueueCheck result = health::check_queues(spi);
  issues::log_event(spi, "queue_monitoring_run",
                    "{\"queues_checked\": " + std::to_string(result.checked) +
                        ", \"queues_failed\": " + std::to_string(result.failed) +
                        ", \"stuck_messages\": " + std::to_string(result.stuck_messages) + "}");
  PG_RETURN_INT32(result.checked);
}

/// monitoring.requeue_dead_letters(queue_name text) -> bigint
MONITORING_FUNCTION(monitoring_requeue_dead_letters) {
  const std::string queue_name = pg::required_text(fcinfo, 0, "queue_name");
  pg::Spi spi;
  const std::int64_t requeued = health::requeue_dead_letters(spi, queue_name);
  const Json details = {{"queue_name", queue_name}, {"messages", requeued}};
  issues::log_event(spi, "dead_letters_requeued", details.dump());
  PG_RETURN_INT64(requeued);
}

/// Trigger of the tables with a column owner: who a row's SQL runs as after the change. With an
/// argument also who it ran as before: then nobody but the owner changes or removes a row.
MONITORING_FUNCTION(monitoring_check_owner) {
  constexpr unsigned kEvents = pg::kOnInsert | pg::kOnUpdate | pg::kOnDelete;
  const pg::TriggerCall row(fcinfo, {"check_owner", pg::TriggerTime::before, kEvents, 0});
  if (const auto owner = row.name("owner")) api::require_owner(*owner);
  if (!row.is_update() || row.data().tg_trigger->tgnargs == 0) return row.result();
  if (const auto owner = row.old_name("owner")) api::require_owner(*owner);
  return row.result();
}
