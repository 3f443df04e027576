#include "monitoring/template/notification_data.hpp"

#include <utility>

namespace monitoring::templates {

namespace {

Value alert_value(const NotifiedAlert& alert) {
  const GoTime ends_at = alert.ends_at ? GoTime::from(*alert.ends_at) : GoTime{};
  return Value::object("template.Alert",
                       {{"Status", alert.status},
                        {"Labels", Value::map(MapType::kKv, alert.labels)},
                        {"Annotations", Value::map(MapType::kKv, alert.annotations)},
                        {"StartsAt", GoTime::from(alert.starts_at)},
                        {"EndsAt", ends_at},
                        {"GeneratorURL", alert.generator_url},
                        {"Fingerprint", alert.fingerprint}});
}

}  // namespace

Value template_data(const NotificationData& data) {
  std::vector<Value> alerts;
  alerts.reserve(data.alerts.size());
  for (const auto& alert : data.alerts) alerts.push_back(alert_value(alert));
  return Value::object("*template.Data",
                       {{"Receiver", data.receiver},
                        {"Status", data.status},
                        {"Alerts", Value::list(ListType::kAlerts, std::move(alerts))},
                        {"GroupLabels", Value::map(MapType::kKv, data.group_labels)},
                        {"CommonLabels", Value::map(MapType::kKv, data.common_labels)},
                        {"CommonAnnotations", Value::map(MapType::kKv, data.common_annotations)},
                        {"ExternalURL", data.external_url}});
}

}  // namespace monitoring::templates
