// The template engine: any bytes as a template, in both dialects, with the data that
// rules and notifications give it. Nothing may crash, hang or leak.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "monitoring/template/notification_data.hpp"
#include "monitoring/template/template.hpp"
#include "target.hpp"

namespace {

using namespace monitoring;
using namespace monitoring::templates;

RenderContext limited_context() {
  RenderContext context;
  context.external_url = "https://monitoring.example/path";
  context.limits.output_bytes = 16 * 1024;
  context.limits.steps = 5000;
  context.query = [](const std::string& text) -> Result<Value> {
    if (text.empty()) return Error::of("empty query");
    return Value::list(ListType::kQueryResult,
                       {query_sample({{"job", "a"}}, 1.5), query_sample({{"job", "b"}}, -2)});
  };
  return context;
}

Value rule_data() {
  return Value::object(
      "template.AlertTemplateData",
      {{"Labels", Value::map(MapType::kStrings, Labels{{"job", "web"}})}, {"Value", 0.25}});
}

Value notification() {
  NotifiedAlert alert;
  alert.status = "firing";
  alert.labels = {{"alertname", "A"}, {"severity", "critical"}};
  NotificationData data;
  data.status = "firing";
  data.alerts = {alert, alert};
  data.group_labels = alert.labels;
  return template_data(data);
}

void try_template(std::string_view text, Dialect dialect, const Value& data, bool html) {
  const auto parsed = Template::parse(text, dialect, {"labels", "value"});
  if (!parsed.ok()) {
    if (parsed.error().position.value_or(0) > text.size()) __builtin_trap();
    return;
  }
  auto context = limited_context();
  context.html = html;
  context.variables = {{"labels", Value::map(MapType::kStrings, Labels{{"job", "web"}})},
                       {"value", 0.25}};
  const auto made = parsed->render(data, context);
  if (made.ok() && made->size() > context.limits.output_bytes) __builtin_trap();
}

}  // namespace

FUZZ_TARGET(template) {
  try_template(bytes, Dialect::kPrometheus, rule_data(), false);
  try_template(bytes, Dialect::kAlertmanager, notification(), true);
}
