// SQL entry points of receivers and notifications.

#include "monitoring/base/json.hpp"
#include "monitoring/pg/arguments.hpp"
#include "monitoring/pg/encoding.hpp"
#include "monitoring/pg/trigger.hpp"

extern "C" {
#include <catalog/pg_type.h>
#include <utils/jsonb.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <string>

#include "monitoring/notify/receiver.hpp"
#include "monitoring/notify/webhook.hpp"
#include "monitoring/outbox/courier_wake.hpp"
#include "monitoring/outbox/queue.hpp"

#include "api/named_rows.hpp"
#include "api/secret_use.hpp"
#include "api/transaction_time.hpp"

using namespace monitoring;

namespace {

/// A jsonb value as the L1 rooms read it. The text was made by the server, so it parses, save for
/// numbers beyond a double: then it is null, which is no object.
Json json_of(Datum jsonb) {
  const char* text = pg::call([&] {
    Jsonb* value = DatumGetJsonbP(jsonb);
    return static_cast<const char*>(
        JsonbToCString(nullptr, &value->root, static_cast<int>(VARSIZE(value))));
  });
  return Json::parse_or_null(pg::utf8_of(text));
}

/// The test notification of send_test_alert: one firing alert that says what it is.
notify::Notification test_notification(const std::string& receiver, Instant now) {
  notify::AlertView alert;
  alert.labels = {{"alertname", "MonitoringTestAlert"}, {"severity", "info"}};
  alert.annotations = {{"summary", "Test alert"},
                       {"description", "Sent by monitoring.send_test_alert(). Nothing is wrong."}};
  alert.starts_at = now;
  alert.fingerprint = fingerprint_text(alert.labels.fingerprint());
  notify::Notification notification;
  notification.receiver = receiver;
  notification.group_labels = {{"alertname", "MonitoringTestAlert"}};
  notification.group_key = "{}:{alertname=\"MonitoringTestAlert\"}";
  notification.alerts.push_back(alert);
  notify::summarize(notification);
  return notification;
}

Json parse(const std::string& text) {
  return Json::parse_or_null(text);
}

}  // namespace

/// Trigger of monitoring.receivers: refuses settings that the kind cannot use and secrets that may
/// not go where they say, fills in send_resolved and set_by, and wakes the courier.
MONITORING_FUNCTION(monitoring_check_receiver) {
  pg::TriggerCall row(
      fcinfo, {"check_receiver", pg::TriggerTime::before, pg::kOnInsert | pg::kOnUpdate, 0});
  // What waits for a receiver that was disabled, or is mended now, may go.
  outbox::wake_courier_at_commit();
  const auto kind = row.text("kind");
  const auto text = row.jsonb("settings");
  // The table's own NOT NULL says it better.
  if (!kind || !text) return row.result();
  const Json settings = parse(*text);
  if (const auto error = notify::check_settings(*kind, settings)) {
    throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, *error);
  }
  std::optional<api::SecretUse> before;
  if (row.is_update()) {
    before = api::use_of_receiver(row.old_text("kind").value_or(""),
                                  parse(row.old_jsonb("settings").value_or("")));
  }
  api::settle_set_by(row, api::use_of_receiver(*kind, settings), before);
  if (row.is_null("send_resolved", BOOLOID)) {
    row.set("send_resolved", pg::boolean(notify::find_receiver_kind(*kind)->send_resolved_default));
  }
  return row.result();
}

/// monitoring.create_receiver(receiver_name, kind, settings, send_resolved, replace) -> void
MONITORING_FUNCTION(monitoring_create_receiver) {
  const std::string name = pg::required_text(fcinfo, 0, "receiver_name");
  const std::string kind = pg::required_text(fcinfo, 1, "kind");
  pg::require(fcinfo, 2, "settings");
  pg::require(fcinfo, 4, "replace");
  std::string sql =
      "INSERT INTO monitoring.receivers AS old (receiver_name, kind, settings, send_resolved)"
      " VALUES ($1, $2, $3, $4)";
  if (PG_GETARG_BOOL(4)) {
    sql += api::replacing("receiver_name", {"kind", "settings", "send_resolved"});
  }
  pg::Spi spi;
  api::make(api::kReceiver, name, [&] {
    spi.execute(sql.c_str(), {pg::text(name), pg::text(kind), pg::argument(fcinfo, 2, JSONBOID),
                              pg::argument(fcinfo, 3, BOOLOID)});
  });
  PG_RETURN_VOID();
}

/// monitoring.drop_receiver(receiver_name, if_exists) -> boolean
MONITORING_FUNCTION(monitoring_drop_receiver) {
  PG_RETURN_BOOL(api::drop(fcinfo, api::kReceiver));
}

/// monitoring.send_test_alert(receiver) -> bigint
MONITORING_FUNCTION(monitoring_send_test_alert) {
  const std::string receiver = pg::required_text(fcinfo, 0, "receiver");
  const Instant now = api::transaction_time();
  pg::Spi spi;
  const auto id = outbox::queue_notification(spi, test_notification(receiver, now), now);
  if (!id) {
    throw pg::Report(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                     "receiver \"" + receiver + "\" is disabled");
  }
  spi.query("SELECT monitoring_internal.say_obstacles()");
  PG_RETURN_INT64(*id);
}

/// monitoring.retry_notification(id) -> void
MONITORING_FUNCTION(monitoring_retry_notification) {
  pg::require(fcinfo, 0, "id");
  pg::Spi spi;
  outbox::requeue_notification(spi, PG_GETARG_INT64(0));
  PG_RETURN_VOID();
}

/// monitoring_internal.queue_notification(receiver, group_key, payload) -> bigint
MONITORING_FUNCTION(monitoring_queue_notification) {
  const std::string receiver = pg::required_text(fcinfo, 0, "receiver");
  const std::string group_key = pg::required_text(fcinfo, 1, "group_key");
  pg::require(fcinfo, 2, "payload");
  auto notification = notify::read_webhook_json(json_of(PG_GETARG_DATUM(2)));
  if (!notification) {
    throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, notification.error());
  }
  notification.value().receiver = receiver;
  notification.value().group_key = group_key;
  pg::Spi spi;
  const auto id =
      outbox::queue_notification(spi, std::move(notification).value(), api::transaction_time());
  if (!id) PG_RETURN_NULL();
  PG_RETURN_INT64(*id);
}
