// SQL entry points that show what would follow, and write nothing.

#include "monitoring/base/json.hpp"
#include "monitoring/pg/arguments.hpp"
#include "monitoring/pg/encoding.hpp"
#include "monitoring/pg/intervals.hpp"
#include "monitoring/pg/labels.hpp"

extern "C" {
#include <catalog/namespace.h>
#include <catalog/pg_type.h>
#include <funcapi.h>
#include <utils/jsonb.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <string>

#include "api/named_rows.hpp"
#include "api/transaction_time.hpp"
#include "monitoring/base/labels_json.hpp"
#include "monitoring/notify/webhook.hpp"
#include "monitoring/outbox/queue.hpp"
#include "monitoring/rules/preview.hpp"
#include "monitoring/rules/stored_rules.hpp"

using namespace monitoring;

namespace {

std::string json_text(Datum jsonb) {
  return pg::utf8_of(pg::call([&] {
    Jsonb* value = DatumGetJsonbP(jsonb);
    return static_cast<const char*>(
        JsonbToCString(nullptr, &value->root, static_cast<int>(VARSIZE(value))));
  }));
}

Labels labels_argument(FunctionCallInfo fcinfo, int index, const char* name) {
  pg::require(fcinfo, index, name);
  return pg::labels_of_json(json_text(PG_GETARG_DATUM(index)), name);
}

Duration interval_argument(FunctionCallInfo fcinfo, int index, const char* name) {
  pg::require(fcinfo, index, name);
  pg::Spi spi;
  const pg::Rows rows = spi.query("SELECT $1", {pg::argument(fcinfo, index, INTERVALOID)});
  const Duration duration = *pg::interval_at(rows, 0, 1);
  if (duration >= Duration::zero()) return duration;
  throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, std::string(name) + " must not be negative");
}

/// preview_rule(expr, at, rule_name, severity, for_duration, labels, annotations, search_path)
rules::RulePreview preview_of(FunctionCallInfo fcinfo, pg::Spi& spi) {
  const std::optional<std::string> expr = pg::optional_text(fcinfo, 0);
  const Instant at = pg::required_time(fcinfo, 1, "at");
  const std::optional<std::string> rule_name = pg::optional_text(fcinfo, 2);
  if (!expr && !rule_name) {
    throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, "preview_alert() needs expr or rule_name")
        .hint("expr is a query like that of create_alert(), rule_name a rule that is there.");
  }
  if (!expr) {
    if (!rules::find_rule(spi, *rule_name)) {
      api::refuse_unknown(spi, api::kAlertRule, *rule_name);
    }
    return rules::preview_rule(spi, *rule_name, at);
  }
  // A name alone is what one types first.
  if (!rule_name && rules::find_rule(spi, *expr)) return rules::preview_rule(spi, *expr, at);
  rules::RuleDraft draft;
  draft.expr = *expr;
  draft.definition.name = rule_name.value_or("Preview");
  draft.definition.severity = pg::required_text(fcinfo, 3, "severity");
  draft.for_duration = interval_argument(fcinfo, 4, "for_duration");
  draft.definition.labels = labels_argument(fcinfo, 5, "rule_labels");
  draft.definition.annotations = labels_argument(fcinfo, 6, "rule_annotations");
  draft.search_path = pg::optional_text(fcinfo, 7).value_or("");
  rules::check_definition(draft.definition.name, draft.definition.labels,
                          draft.definition.annotations);
  return rules::preview_draft(spi, draft, at);
}

void put_row(FunctionCallInfo fcinfo, const std::vector<pg::Param>& params) {
  const auto* result = reinterpret_cast<const ReturnSetInfo*>(fcinfo->resultinfo);
  std::vector<Datum> values;
  std::vector<char> nulls;
  for (const pg::Param& param : params) {
    values.push_back(param.value);
    nulls.push_back(param.is_null);
  }
  pg::call([&] {
    tuplestore_putvalues(result->setResult, result->setDesc, values.data(),
                         reinterpret_cast<bool*>(nulls.data()));
  });
}

std::string_view words(alerting::AlertState state) {
  return alerting::to_text(state);
}

}  // namespace

/// monitoring_internal.preview_rule(...) -> setof (alert_labels, value, was, state, texts,
/// query_ms)
MONITORING_FUNCTION(monitoring_preview_rule) {
  pg::call([&] { InitMaterializedSRF(fcinfo, 0); });
  rules::RulePreview preview;
  {
    pg::Spi spi;
    preview = preview_of(fcinfo, spi);
  }
  for (const rules::PreviewedAlert& alert : preview.alerts) {
    put_row(fcinfo, {pg::jsonb(json_of(alert.labels).dump()), pg::float8(alert.value),
                     pg::text(words(alert.was)), pg::text(words(alert.state)),
                     pg::jsonb(json_of(alert.annotations).dump()), pg::float8(preview.query_ms)});
  }
  PG_RETURN_NULL();
}

/// monitoring_internal.compose_notification(receiver, group_key, webhook)
///   -> setof (address, payload, note)
MONITORING_FUNCTION(monitoring_compose_notification) {
  const std::string receiver = pg::required_text(fcinfo, 0, "receiver");
  const std::string group_key = pg::required_text(fcinfo, 1, "group_key");
  pg::require(fcinfo, 2, "webhook");
  auto notification = notify::read_webhook_json(Json::parse_or_null(json_text(PG_GETARG_DATUM(2))));
  if (!notification) throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, notification.error());
  notification.value().receiver = receiver;
  notification.value().group_key = group_key;
  pg::call([&] { InitMaterializedSRF(fcinfo, 0); });
  std::vector<outbox::ComposedPayload> payloads;
  {
    pg::Spi spi;
    payloads =
        outbox::compose_notification(spi, std::move(notification).value(), api::transaction_time());
  }
  for (const outbox::ComposedPayload& payload : payloads) {
    put_row(fcinfo, {pg::text(payload.address), pg::jsonb(payload.payload),
                     pg::text(payload.note.empty() ? std::nullopt
                                                   : std::optional<std::string>(payload.note))});
  }
  PG_RETURN_NULL();
}
